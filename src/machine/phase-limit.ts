/**
 * How long a phase of the boot may take. A machine that makes progress is given more time than the phase's limit, one
 * that stands still less: both are seen from outside, by what changes.
 */
import type { Signs } from './signs-of-life.js';

/** How often it is looked whether the machine makes progress. */
const lookEveryMs = 2000;
/** Who has not answered by then does not answer. */
const answerLimitMs = 10_000;
/**
 * A machine on which nothing at all has changed for so long has hung. The slowest step seen took a third of it. Time in
 * which it waited for a CPU of the host does not count: others had it.
 */
const quietLimitMs = 60_000;
/** A machine that makes progress gets so many times the limit at most: progress may be a loop. */
const mostStretch = 4;
/** The pace that is believed at most: a phase that waited for a disk says little about the processor. */
export const slowestPace = 10;

/** The longest that a phase with this limit can take, milliseconds: for what it waits for with a limit of its own. */
export function longestOf(limitMs: number): number {
  return limitMs * slowestPace * mostStretch;
}

/** Why a phase was ended: at the last limit, or because nothing had changed for a while. */
export type Ending =
  | { readonly kind: 'late'; readonly limitMs: number }
  | { readonly kind: 'hung'; readonly quietMs: number };

export interface LimitOptions {
  readonly limitMs: number;
  /** How many times slower than usual this machine is, 1 or more. */
  readonly pace: number;
  /** Whether silence is no sign of a machine that hangs. */
  readonly mayIdle?: boolean;
  /** What shows that the machine goes on; undefined where nothing is known of it yet. */
  readonly signs: () => Promise<Signs | undefined>;
  /** The machine makes progress at its limit, and gets more. */
  readonly stretched: (limitMs: number) => void;
}

export class PhaseLimit {
  readonly #options: LimitOptions;
  readonly #ended = new AbortController();
  readonly #start = performance.now();
  readonly #last: number;
  #limit: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #ending: Ending | undefined;
  #seen: Signs | undefined;
  /** When that was not what was seen before: milliseconds that the machine could have run. */
  #changed = this.#start;
  #worked = this.#start;

  constructor(options: LimitOptions) {
    this.#options = options;
    this.#limit = this.#start + options.limitMs;
    this.#last = this.#start + options.limitMs * mostStretch;
    this.#wait();
  }

  /** Aborts when the phase has to end. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Why it had to; undefined before. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** The phase has ended by itself. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    const ms = Math.max(0, Math.min(lookEveryMs, this.#limit - performance.now()));
    this.#timer = setTimeout(() => void this.#look(), ms);
  }

  async #look(): Promise<void> {
    const { pace, mayIdle = false, limitMs, signs, stretched } = this.#options;
    const seen = await answerOf(signs);
    if (this.#stopped) return;
    const now = performance.now();
    const own = now - (seen ?? this.#seen ?? { waitedMs: 0 }).waitedMs;
    if (seen !== undefined) {
      if (seen.any !== this.#seen?.any) this.#changed = own;
      if (seen.work !== this.#seen?.work) this.#worked = own;
      this.#seen = seen;
    }
    const known = this.#seen !== undefined;
    const patienceMs = quietLimitMs * pace;
    const quietMs = own - this.#changed;
    if (!mayIdle && known && quietMs >= patienceMs) {
      this.#end({ kind: 'hung', quietMs });
      return;
    }
    if (now >= this.#limit) {
      const works = known && own - this.#worked < Math.min(patienceMs, limitMs);
      if (!works || this.#limit >= this.#last) {
        this.#end({ kind: 'late', limitMs: this.#limit - this.#start });
        return;
      }
      this.#limit = Math.min(this.#last, this.#limit + limitMs);
      stretched(this.#limit - this.#start);
    }
    this.#wait();
  }

  #end(ending: Ending): void {
    this.#ending = ending;
    this.#ended.abort(new Error('the time of the phase is over'));
  }
}

/** Whoever does not answer shows no progress. */
async function answerOf(signs: LimitOptions['signs']): Promise<Signs | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), answerLimitMs);
  });
  try {
    return await Promise.race([signs(), late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
