/**
 * Whether the other side still answers. A connection that died without a word (a tunnel whose far end sleeps)
 * is not closed by the browser for minutes: so it is asked now and then, and whenever something hangs on it.
 */

/** So often it is asked when nothing else is the matter, milliseconds. */
const ASK_MS = 20_000;
/** So long it has for an answer, milliseconds: a slow line may be full of output, and the host be busy. */
export const ANSWER_MS = 10_000;
/** A timer that is later than this was held up, and so, perhaps, was the answer, milliseconds. */
const LATE_MS = 2000;

export class Vigil {
  readonly #ask: () => void;
  readonly #onLost: () => void;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = 0;
  #awaits = false;

  /**
   * @param ask asks the other side for any answer
   * @param onLost it has not given one
   * @param now milliseconds that only grow
   */
  constructor(ask: () => void, onLost: () => void, now: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#onLost = onLost;
    this.#now = now;
  }

  /** The other side is to say something now, without being asked. */
  await(): void {
    this.#awaits = true;
    this.#set(ANSWER_MS);
  }

  /** Asks, unless an answer is awaited already. */
  ask(): void {
    if (this.#awaits) return;
    this.await();
    this.#ask();
  }

  /** It has said something. */
  heard(): void {
    if (!this.#awaits) return;
    this.#awaits = false;
    this.#set(ASK_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
    // Nothing is asked where nobody listens.
    this.#awaits = true;
  }

  #set(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#due = this.#now() + milliseconds;
    this.#timer = setTimeout(() => this.#onTimer(), milliseconds);
  }

  #onTimer(): void {
    // In a hidden tab timers run once a minute, in a frozen one not at all: an answer may wait behind this one.
    const heldUp = this.#now() - this.#due > LATE_MS;
    if (this.#awaits && !heldUp) return this.#onLost();
    this.#awaits = false;
    this.ask();
  }
}
