/** How a failure is shown: code and message, the layer's last lines, hint, log; for `--json` a document. */
import type { z } from 'zod';

import { VsbError, exitCodeOf, messageOf } from '../../base/errors.js';
import type { errorDocumentSchema } from '../../contract/error.js';
import { printableLines, printableText } from '../../formats/ansi.js';

const documentVersion = 1;

/** Lines for stderr. A guest may have said any part of it: each is made harmless for a terminal by itself. */
export function describeError(error: unknown, verbose: boolean): string {
  if (!(error instanceof VsbError)) {
    const stack = error instanceof Error ? error.stack : undefined;
    return `vsbypass: this is a bug: ${printableLines(stack ?? messageOf(error))}`;
  }
  const { lastLines, log, evidence } = error.details ?? {};
  const lines = [`vsbypass: ${printableLines(error.message)} [${error.code}]`];
  if (Array.isArray(lastLines) && lastLines.length > 0) {
    lines.push('  last lines:');
    lines.push(...lastLines.map((line) => `  | ${printableText(String(line))}`));
  }
  if (typeof log === 'string') lines.push(`  log: ${printableText(log)}`);
  if (typeof evidence === 'string') lines.push(`  where it stood: ${printableText(evidence)}`);
  if (error.hint !== undefined) lines.push(`  hint: ${printableLines(error.hint)}`);
  if (verbose && error.cause !== undefined) {
    lines.push(`  cause: ${printableLines(messageOf(error.cause))}`);
  }
  return lines.join('\n');
}

/** The document of a failed command with `--json`. */
export function errorDocument(error: unknown): Record<string, unknown> {
  return { schemaVersion: documentVersion, error: errorBody(error) };
}

export function errorBody(error: unknown): z.output<typeof errorDocumentSchema> {
  return error instanceof VsbError
    ? error.toJSON()
    : { code: 'E_INTERNAL', exitCode: exitCodeOf(error), message: messageOf(error) };
}
