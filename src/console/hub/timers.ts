/** What happens later, for each key at most once. */
export class Timers<Key> {
  readonly #timers = new Map<Key, NodeJS.Timeout>();

  /** Only the last that was asked for happens. */
  after(ms: number, key: Key, act: () => void): void {
    this.cancel(key);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      act();
    }, ms);
    this.#timers.set(key, timer);
  }

  cancel(key: Key): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
  }

  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
