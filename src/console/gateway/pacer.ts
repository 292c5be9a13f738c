/**
 * Serves those who only look on, in a small share of this process's time: however many there are and
 * however much the VM prints, who types is served first, and the link is read.
 */

/** One turn, milliseconds. */
const TURN_MS = 3;
/** Pause after a turn, in multiples of what it took: one sixteenth of the time is theirs. */
const PAUSE_FACTOR = 15;

export class Pacer {
  /** In the order in which they get their turn. */
  readonly #waiting = new Set<() => void>();
  /** A turn is to come, or the pause after one is not over. */
  #busy = false;

  /** Calls it once, soon; more than one request before that is one. */
  schedule(serve: () => void): void {
    this.#waiting.add(serve);
    if (this.#busy) return;
    this.#busy = true;
    setTimeout(this.#turn, 0);
  }

  cancel(serve: () => void): void {
    this.#waiting.delete(serve);
  }

  readonly #turn = (): void => {
    const start = performance.now();
    let elapsed = 0;
    for (const serve of [...this.#waiting]) {
      this.#waiting.delete(serve);
      serve();
      elapsed = performance.now() - start;
      if (elapsed >= TURN_MS) break;
    }
    // Also with nobody waiting: who comes next must not begin a new turn at once.
    setTimeout(() => {
      if (this.#waiting.size > 0) this.#turn();
      else this.#busy = false;
    }, elapsed * PAUSE_FACTOR);
  };
}
