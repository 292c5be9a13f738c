/** `--deadline`: the moment at which a command ends, whatever it waits for then. */
import { VsbError } from '../base/errors.js';
import { parseDate, parseDuration } from '../base/moment.js';

/** What cleaning up may take after the deadline; each part of it has shorter limits of its own. */
const graceMs = 60_000;
/** The longest delay that a timer of Node takes. */
const longestDelayMs = 2 ** 31 - 1;

export interface DeadlineEnds {
  /** Ends the command in an orderly way, as an interruption does. */
  readonly abort: (reason: VsbError) => void;
  /** Ends it at once: cleaning up has not come to an end. */
  readonly giveUp: (why: string) => void;
}

export class Deadline {
  readonly #ends: DeadlineEnds;
  #doing: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(ends: DeadlineEnds) {
    this.#ends = ends;
  }

  /** Told what the command does from now on, as in "while ...". */
  doing(what: string): void {
    this.#doing = what;
  }

  /**
   * @param when a duration since the program was started, or a moment (ISO 8601), which several commands can share
   * @param startedAt of this program, milliseconds since 1970
   * @param what the command, for the message where it says nothing else
   * @throws VsbError E_USAGE; E_DEADLINE when it is in the past
   */
  start(when: string, startedAt: number, what: string): void {
    const duration = parseDuration(when);
    const at = duration === undefined ? parseDate(when) : startedAt + duration;
    if (at === undefined) {
      throw new VsbError('E_USAGE', `--deadline: '${when}' is no duration and no time`, {
        hint: 'Such as 90s, 20m, 2h, or 2026-01-31T12:00:00Z.',
      });
    }
    if (at <= Date.now()) {
      throw new VsbError('E_DEADLINE', `the deadline (${when}) had passed before it began`);
    }
    this.#wait(at, () => this.#pass(when, what));
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Also for longer than a timer of Node takes: it would fire at once. */
  #wait(at: number, then: () => void): void {
    const delayMs = at - Date.now();
    const next = delayMs > longestDelayMs ? () => this.#wait(at, then) : then;
    this.#timer = setTimeout(next, Math.min(delayMs, longestDelayMs));
    this.#timer.unref();
  }

  #pass(when: string, what: string): void {
    const doing = this.#doing ?? `\`vsbypass ${what}\` was at work`;
    this.#ends.abort(new VsbError('E_DEADLINE', `the deadline (${when}) passed while ${doing}`));
    this.#timer = setTimeout(
      () => this.#ends.giveUp(`cleaning up took more than ${graceMs / 1000} s after the deadline`),
      graceMs,
    );
    this.#timer.unref();
  }
}
