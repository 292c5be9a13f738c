/**
 * Workflow commands of GitHub Actions, which its runner reads from stdout and stderr of every step. What they are:
 * "Workflow commands for GitHub Actions" in its documentation.
 */
import { randomBytes } from 'node:crypto';

/** Whether a step of GitHub Actions reads along. */
export function onGitHub(env: NodeJS.ProcessEnv): boolean {
  return env['GITHUB_ACTIONS'] === 'true';
}

export type AnnotationKind = 'error' | 'warning' | 'notice';

/** The line that makes an annotation of the run. */
export function annotation(kind: AnnotationKind, title: string, message: string): string {
  return `::${kind} title=${escapeProperty(title)}::${escapeData(message)}`;
}

/**
 * Text in which the runner sees no commands. A guest's output could hold some: `##[name]` counts anywhere in a line.
 * @param token of the caller's choice only in tests: who knows it can end the fence
 */
export function withoutCommands(
  text: string,
  token: string = randomBytes(16).toString('hex'),
): string {
  return `::stop-commands::${token}\n${text}\n::${token}::`;
}

/** `%` first: it is what the others are escaped with. */
function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
