/** An end in L2: the probe (images/programs/bench) at what QEMU has of the VM's serial port, with L2's clock and no SSH on the way. */
import { VsbError } from '../../base/errors.js';
import { runRemote, shellQuote, type SshTarget } from '../../host/ssh.js';
import { VoidRun } from '../measures/cell.js';
import { lateError, type End, type Step, type Timing } from './end.js';

/** For reaching L2, beside what the steps may take. */
const overheadMs = 30_000;
/** The probe's exit code when a step was late. */
const lateCode = 1;
/** What L2's clock must have counted of a script's time by ours: so much of it, less what reaching L2 takes. */
const counted = { share: 0.75, reachMs: 5000 } as const;

export class ProbeEnd implements End {
  readonly kind = 'stream';
  readonly #target: SshTarget;
  readonly #program: string;
  readonly #backend: string;

  /**
   * @param program where the probe is in L2
   * @param backend QEMU's side of the VM's serial port: a socket or a pty, as a word of the shell in L2
   */
  constructor(target: SshTarget, program: string, backend: string) {
    this.#target = target;
    this.#program = program;
    this.#backend = backend;
  }

  async play(steps: readonly Step[], signal: AbortSignal): Promise<Timing[]> {
    const command = `${shellQuote(this.#program)} ${this.#backend}`;
    const began = performance.now();
    const { code, stdout, stderr } = await runRemote(this.#target, command, {
      signal,
      stdin: probeScript(steps),
      timeoutMs: overheadMs + longestMs(steps),
    });
    if (code > lateCode) {
      throw new VsbError('E_SSH', `the probe in L2 failed: ${stderr.trim()}`, { layer: 'L2' });
    }
    const timings = readProbe(stdout, steps);
    checkClock(timings, performance.now() - began);
    return timings;
  }
}

/** The steps in the probe's language. */
export function probeScript(steps: readonly Step[]): string {
  return steps
    .map((step) => {
      switch (step.do) {
        case 'send':
          return `send ${step.bytes.toString('hex')}\n`;
        case 'expect':
          return `expect ${Math.ceil(step.limitMs)} ${step.bytes.toString('hex')}\n`;
        case 'pause':
          return `pause ${Math.round(step.ms * 1000)}\n`;
      }
    })
    .join('');
}

function longestMs(steps: readonly Step[]): number {
  const each = steps.map((step) =>
    step.do === 'send' ? 0 : step.do === 'pause' ? step.ms : step.limitMs,
  );
  return each.reduce((sum, ms) => sum + ms, 0);
}

/**
 * Reads what the probe says.
 * @throws VsbError E_EXPECT_TIMEOUT when a step was late, E_SSH when it makes no sense
 */
export function readProbe(answer: Buffer, steps: readonly Step[]): Timing[] {
  const lines: { startMs: number; endMs: number; bytes: number }[] = [];
  let at = 0;
  for (;;) {
    const end = answer.indexOf(0x0a, at);
    if (end < 0) throw new VsbError('E_SSH', "the probe's answer is cut", { layer: 'L2' });
    const [word, ...numbers] = answer.subarray(at, end).toString('latin1').split(' ');
    at = end + 1;
    if (word === 'output') break;
    if (word !== 'step') continue;
    const [start = 0, stop = 0, bytes = 0] = numbers.map(Number);
    lines.push({ startMs: start / 1e6, endMs: stop / 1e6, bytes });
  }
  const timings = lines.map(({ startMs, endMs, bytes }): Timing => {
    const output = answer.subarray(at, at + bytes);
    at += bytes;
    return { startMs, endMs, output };
  });
  const missing = steps[timings.length];
  if (missing === undefined) return timings;
  if (missing.do === 'expect') throw lateError(missing, timings.length, answer.subarray(at));
  throw new VsbError('E_SSH', "the probe's answer is cut", { layer: 'L2' });
}

/**
 * A nested clock is not to be trusted blindly: all that is measured with one that lags would look fast.
 * @param elapsedMs of the whole script, reaching L2 included, by our own clock
 * @throws VoidRun when L2's clock has counted much less
 */
export function checkClock(timings: readonly Timing[], elapsedMs: number): void {
  const ownMs = (timings.at(-1)?.endMs ?? 0) - (timings[0]?.startMs ?? 0);
  if (ownMs >= counted.share * elapsedMs - counted.reachMs) return;
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  throw new VoidRun(`the clock of L2 counted ${seconds(ownMs)} of ${seconds(elapsedMs)}`);
}
