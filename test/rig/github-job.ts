/** Carries the job of a GitHub workflow out without GitHub: its `run` steps for real, its `uses` steps noted down. */
import { join } from 'node:path';

import type { PipelineWorkspace } from './pipeline-workspace.js';

export interface GitHubStep {
  readonly name?: string;
  readonly id?: string;
  readonly if?: string;
  readonly run?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly 'continue-on-error'?: string;
}

export interface GitHubWorkflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly steps: readonly GitHubStep[];
        readonly env: Readonly<Record<string, string>>;
        readonly strategy: { readonly matrix: Readonly<Record<string, readonly string[]>> };
        readonly defaults: { readonly run: { readonly shell: string } };
        readonly 'timeout-minutes': string;
      }
    >
  >;
}

export interface GitHubResult {
  readonly failed: boolean;
  /** Actions that would have run, with their inputs and what was in the folder of the evidence. */
  readonly actions: readonly {
    readonly uses: string;
    readonly with: Readonly<Record<string, string>>;
    readonly evidence: readonly string[];
  }[];
  readonly outputs: Readonly<Record<string, string>>;
  readonly log: string;
}

export async function runGitHubJob(
  workflow: GitHubWorkflow,
  workspace: PipelineWorkspace,
  context: Readonly<Record<string, string>>,
): Promise<GitHubResult> {
  const [job] = Object.values(workflow.jobs);
  if (job === undefined) throw new Error('the workflow has no job');
  const values: Record<string, string> = { ...context };
  const actions: GitHubResult['actions'][number][] = [];
  let [failed, log] = [false, ''];
  for (const step of job.steps) {
    if (!holds(step.if ?? 'success()', values, failed)) continue;
    if (step.uses !== undefined) {
      const inputs = interpolateAll(step.with ?? {}, values);
      actions.push({ uses: step.uses, with: inputs, evidence: await workspace.evidence() });
      continue;
    }
    const files = {
      GITHUB_ENV: join(workspace.directory, '.env'),
      GITHUB_OUTPUT: join(workspace.directory, `.output-${step.id ?? 'none'}`),
      GITHUB_PATH: join(workspace.directory, '.path'),
      GITHUB_STEP_SUMMARY: join(workspace.directory, '.summary'),
    };
    const { code, output } = await workspace.bash(step.run ?? '', {
      ...{ ...files, GITHUB_ACTIONS: 'true' },
      ...interpolateAll(job.env, values),
      ...assignments(await workspace.read('.env')),
      ...interpolateAll(step.env ?? {}, values),
    });
    log += output;
    if (code !== 0 && step['continue-on-error'] !== 'true') failed = true;
    if (step.id === undefined) continue;
    const outputs = assignments(await workspace.read(`.output-${step.id}`));
    for (const [name, value] of Object.entries(outputs)) {
      values[`steps.${step.id}.outputs.${name}`] = value;
    }
  }
  return { failed, actions, outputs: values, log };
}

function assignments(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line.includes('='));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

function interpolateAll(
  texts: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  const interpolate = (text: string): string =>
    text.replace(/\$\{\{ ([\w.-]+) \}\}/g, (_all, name: string) => values[name] ?? '');
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, interpolate(text)]));
}

/** Expressions of `||`, `&&`, comparisons with strings and status functions; without one of those, success is meant. */
function holds(
  expression: string,
  values: Readonly<Record<string, string>>,
  failed: boolean,
): boolean {
  const hasStatus = /\b(?:always|failure|success|cancelled)\(\)/.test(expression);
  if (!hasStatus && failed) return false;
  return expression
    .split(' || ')
    .some((part) => part.split(' && ').every((term) => holdsTerm(term.trim(), values, failed)));
}

function holdsTerm(
  term: string,
  values: Readonly<Record<string, string>>,
  failed: boolean,
): boolean {
  if (term === 'always()') return true;
  if (term === 'failure()') return failed;
  if (term === 'success()') return !failed;
  const comparison = /^([\w.-]+) (==|!=) '([^']*)'$/.exec(term);
  if (comparison === null) throw new Error(`no such expression is known: ${term}`);
  const [, name = '', operator, wanted] = comparison;
  return ((values[name] ?? '') === wanted) === (operator === '==');
}
