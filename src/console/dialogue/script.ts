/**
 * Script mode of a console: steps in order, each `expect` with a deadline. For CI and for people who
 * would otherwise write an expect script.
 */
import { VsbError } from '../../base/errors.js';
import { Conversation, type ScriptPeer } from './conversation.js';
import { Secrets } from './secrets.js';

export type ScriptStep =
  | { readonly type: 'expect'; readonly pattern: RegExp; readonly timeoutMs: number }
  | {
      readonly type: 'send';
      readonly bytes: Buffer;
      /** No failure shows it. */
      readonly secret?: true;
    };

/**
 * Runs the steps.
 * @throws VsbError E_EXPECT_TIMEOUT or E_CONSOLE_CLOSED, with `details` {step (from 1), pattern, lastLines};
 *   the signal's reason when it is aborted
 */
export async function runScript(
  peer: ScriptPeer,
  steps: readonly ScriptStep[],
  options: { signal: AbortSignal; stripAnsi: boolean },
): Promise<void> {
  const secrets = new Secrets();
  for (const step of steps) if (step.type === 'send' && step.secret) secrets.add(step.bytes);
  const talk = new Conversation(peer, { ...options, secrets });
  for (const [index, step] of steps.entries()) {
    try {
      if (step.type === 'expect') await talk.expect(step.pattern, step.timeoutMs);
      else await talk.send(step.bytes);
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof VsbError)) throw error;
      throw new VsbError(error.code, `step ${index + 1} of ${steps.length}: ${error.message}`, {
        layer: 'console',
        details: { ...error.details, step: index + 1 },
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }
}

/**
 * The bytes of a `--send` argument: UTF-8, with `\r`, `\n`, `\t`, `\e`, `\\` and `\xHH` (one byte).
 * @throws VsbError E_USAGE for any other escape
 */
export function parseSendText(text: string): Buffer {
  const parts: Buffer[] = [];
  const simple: Readonly<Record<string, string>> = {
    r: '\r',
    n: '\n',
    t: '\t',
    e: '\x1b',
    '\\': '\\',
  };
  for (const [part] of text.matchAll(/\\x[0-9a-fA-F]{2}|\\[^x]|\\x?|[^\\]+/gsu)) {
    if (!part.startsWith('\\')) parts.push(Buffer.from(part, 'utf8'));
    else if (part.length === 4) parts.push(Buffer.from(part.slice(2), 'hex'));
    else {
      const value = simple[part.slice(1)];
      if (value === undefined) {
        const hint = 'known are \\r, \\n, \\t, \\e, \\\\ and \\xHH';
        throw new VsbError('E_USAGE', `--send does not know the escape '${part}'`, { hint });
      }
      parts.push(Buffer.from(value));
    }
  }
  return Buffer.concat(parts);
}

/**
 * The pattern of an `--expect` argument: JavaScript's, `^` and `$` at every line.
 * @throws VsbError E_USAGE when it is malformed
 */
export function parseExpectPattern(source: string): RegExp {
  return parsePattern(source, '--expect');
}

/**
 * The pattern of any option, the same way.
 * @throws VsbError E_USAGE when it is malformed
 */
export function parsePattern(source: string, option: string): RegExp {
  try {
    return new RegExp(source, 'm');
  } catch (cause) {
    const message = `${option}: /${source}/ is not a regular expression`;
    throw new VsbError('E_USAGE', message, { cause });
  }
}
