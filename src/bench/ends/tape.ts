/** The output of a console during a script: what came, when each piece of it did, and how far it was consumed. */

export class Tape {
  #bytes = Buffer.alloc(64 * 1024);
  #length = 0;
  #consumed = 0;
  /** Where the search for the next match goes on: what lies before cannot be the beginning of it. */
  #searched = 0;
  readonly #arrivals: { readonly end: number; readonly ms: number }[] = [];

  /** @param ms the end's clock */
  push(bytes: Uint8Array, ms: number): void {
    if (this.#length + bytes.length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#length + bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    this.#arrivals.push({ end: this.#length, ms });
  }

  /** Consumes up to and with the next match: what was consumed, and when its last byte came. */
  find(wanted: Buffer): { readonly output: Buffer; readonly ms: number } | undefined {
    const from = Math.max(this.#consumed, this.#searched);
    const at = this.#bytes.subarray(0, this.#length).indexOf(wanted, from);
    if (at < 0) {
      this.#searched = Math.max(this.#consumed, this.#length - wanted.length + 1);
      return undefined;
    }
    const end = at + wanted.length;
    const output = Buffer.from(this.#bytes.subarray(this.#consumed, end));
    this.#consumed = this.#searched = end;
    return { output, ms: this.#arrivalOf(end) };
  }

  /** What was not consumed. */
  rest(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#consumed, this.#length));
  }

  #arrivalOf(end: number): number {
    let low = 0;
    let high = this.#arrivals.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#arrivals[middle]?.end ?? 0) < end) low = middle + 1;
      else high = middle;
    }
    return this.#arrivals[low]?.ms ?? 0;
  }
}
