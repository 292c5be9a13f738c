/** Reads SSH's data types (RFC 4251, 5) from a buffer of a stranger. */

/** Thrown when there is less than should be, or something that cannot be. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** How much was read so far, bytes. */
  get position(): number {
    return this.#at;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** @throws WireError, as all that follow */
  take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new WireError('too short');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  uint32(): number {
    return this.take(4).readUInt32BE(0);
  }

  uint64(): bigint {
    return this.take(8).readBigUInt64BE(0);
  }

  string(): Buffer {
    return this.take(this.uint32());
  }

  text(): string {
    return this.string().toString('utf8');
  }

  /** A string that is itself a sequence of strings. */
  strings(): Buffer[] {
    const inner = new WireReader(this.string());
    const all: Buffer[] = [];
    while (!inner.atEnd) all.push(inner.string());
    return all;
  }
}
