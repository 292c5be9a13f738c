/**
 * An end of a console: whoever types there and reads what comes, with a clock. All that is measured at a
 * console is a script of three kinds of steps, so that every end measures in the same way.
 */
import { VsbError } from '../../base/errors.js';
import { printableText } from '../../formats/ansi.js';

export type Step =
  | { readonly do: 'send'; readonly bytes: Buffer }
  /** Waits for these bytes in what came after the match before it. */
  | { readonly do: 'expect'; readonly bytes: Buffer; readonly limitMs: number }
  /** Takes in what comes meanwhile. */
  | { readonly do: 'pause'; readonly ms: number };

/** A step that was done. Times are milliseconds of the end's own monotonic clock. */
export interface Timing {
  readonly startMs: number;
  /** Of an `expect`: when the last byte of the match came. */
  readonly endMs: number;
  /** Output consumed, up to and with the match; empty for the other steps. */
  readonly output: Buffer;
}

export const endKinds = ['stream', 'ssh'] as const;
/** `stream`: where the console's bytes are first to be had. `ssh`: where its user is. */
export type EndKind = (typeof endKinds)[number];

export interface End {
  readonly kind: EndKind;
  /**
   * Opens the console, plays the steps, leaves it.
   * @throws VsbError E_EXPECT_TIMEOUT; E_SSH, E_CONSOLE_*; VoidRun when its clock was wrong; the signal's reason
   */
  play(steps: readonly Step[], signal: AbortSignal): Promise<Timing[]>;
}

export const send = (text: string): Step => ({ do: 'send', bytes: Buffer.from(text, 'latin1') });
export const pause = (ms: number): Step => ({ do: 'pause', ms });
export const expect = (text: string, limitMs: number): Step => ({
  do: 'expect',
  bytes: Buffer.from(text, 'latin1'),
  limitMs,
});

/** Characters of the output that an error shows. */
const shown = 200;

/** What a step that was late is told with. */
export function lateError(
  step: Extract<Step, { do: 'expect' }>,
  index: number,
  rest: Buffer,
): VsbError {
  const wanted = JSON.stringify(step.bytes.toString('latin1'));
  const tail = printableText(rest.subarray(-shown).toString('latin1'));
  const message = `step ${index + 1}: ${wanted} did not come within ${step.limitMs / 1000} s`;
  return new VsbError('E_EXPECT_TIMEOUT', message, { layer: 'console', details: { tail } });
}
