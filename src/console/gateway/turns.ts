/** One job at a time, by turns: who has asked for many waits behind those who have asked for one. */
export class Turns {
  /** The jobs of each owner, the owners in the order of their turns. */
  readonly #waiting = new Map<object, (() => Promise<void>)[]>();
  #busy = false;

  /** Does it when its owner's turn has come, and gives what comes of it. */
  run<T>(owner: object, job: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const jobs = this.#waiting.get(owner) ?? [];
      jobs.push(() => job().then(resolve, reject));
      this.#waiting.set(owner, jobs);
      void this.#work();
    });
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (const [owner, jobs] of this.#waiting) {
      await jobs.shift()?.();
      // Behind those who have come meanwhile, which the loop gets to as well.
      this.#waiting.delete(owner);
      if (jobs.length > 0) this.#waiting.set(owner, jobs);
    }
    this.#busy = false;
  }
}
