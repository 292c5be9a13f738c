/**
 * Script mode of a console: steps in order, each `expect` with a deadline. For CI and for people who
 * would otherwise write an expect script.
 */
import { VsbError } from '../errors/index.js';
import { ExpectBuffer } from './expect.js';

export type ScriptStep =
  | { readonly type: 'expect'; readonly pattern: RegExp; readonly timeoutMs: number }
  | { readonly type: 'send'; readonly bytes: Buffer };

/** Lines of the transcript in the report of a failure. */
const TAIL_LINES = 20;

/** The console that a script talks to. */
export interface ScriptPeer {
  /** Calls back with output, and with undefined once there will be none any more. */
  onOutput(listener: (bytes: Buffer | undefined) => void): void;
  /** Resolves when the bytes are on their way. */
  send(bytes: Buffer): Promise<void>;
}

/**
 * Runs the steps.
 * @throws VsbError E_EXPECT_TIMEOUT or E_CONSOLE_CLOSED, with `details` {step (from 1), pattern, tail};
 *   the signal's reason when it is aborted
 */
export async function runScript(
  peer: ScriptPeer,
  steps: readonly ScriptStep[],
  options: { signal: AbortSignal; stripAnsi: boolean },
): Promise<void> {
  const { signal } = options;
  const buffer = new ExpectBuffer(options);
  let ended = false;
  let changed: () => void = () => {};
  peer.onOutput((bytes) => {
    if (bytes === undefined) ended = true;
    else buffer.push(bytes);
    changed();
  });

  const failure = (code: 'E_EXPECT_TIMEOUT' | 'E_CONSOLE_CLOSED', index: number, text: string) => {
    const step = steps[index];
    const pattern = step?.type === 'expect' ? step.pattern.source : undefined;
    const details = { step: index + 1, pattern, tail: buffer.tail(TAIL_LINES) };
    return new VsbError(code, `step ${index + 1} of ${steps.length}: ${text}`, {
      layer: 'console',
      details,
    });
  };

  const expect = async (pattern: RegExp, timeoutMs: number, index: number): Promise<void> => {
    const what = `/${pattern.source}/`;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      changed();
    }, timeoutMs);
    const onAbort = (): void => changed();
    signal.addEventListener('abort', onAbort);
    try {
      while (buffer.find(pattern) === undefined) {
        signal.throwIfAborted();
        if (ended)
          throw failure('E_CONSOLE_CLOSED', index, `the console ended before ${what} came`);
        if (late) {
          const text = `${what} did not come within ${timeoutMs / 1000} s`;
          throw failure('E_EXPECT_TIMEOUT', index, text);
        }
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  };

  for (const [index, step] of steps.entries()) {
    signal.throwIfAborted();
    if (step.type === 'expect') await expect(step.pattern, step.timeoutMs, index);
    else if (ended)
      throw failure('E_CONSOLE_CLOSED', index, 'the console ended before all was sent');
    else await peer.send(step.bytes);
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
  try {
    return new RegExp(source, 'm');
  } catch (cause) {
    const message = `--expect: /${source}/ is not a regular expression`;
    throw new VsbError('E_USAGE', message, { cause });
  }
}
