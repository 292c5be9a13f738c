/** Annotations of the run, where GitHub Actions runs this. */
import { printableLines } from '../formats/ansi.js';
import type { CliContext } from './context.js';
import { annotation, onGitHub, type AnnotationKind } from './show/github.js';

/** On stderr, which the runner reads as it does stdout: there may be a document on that one. */
export function annotateRun(
  context: CliContext,
  kind: AnnotationKind,
  title: string,
  message: string,
): void {
  if (!onGitHub(context.env)) return;
  context.stderr.write(`${annotation(kind, title, printableLines(message))}\n`);
}
