/** Splits a byte stream into lines, however the bytes are cut into chunks. */
export class LineSplitter {
  #parts: Buffer[] = [];
  #length = 0;
  readonly #maximumBytes: number;

  /** @param maximumBytes longest line accepted, without its line feed */
  constructor(maximumBytes: number) {
    this.#maximumBytes = maximumBytes;
  }

  /**
   * Takes a chunk and returns the lines it completes, without `\n` and a preceding `\r`.
   *
   * @throws RangeError when a line grows beyond the limit: the peer speaks something else
   */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      this.#append(chunk.subarray(start, end));
      lines.push(Buffer.concat(this.#parts, this.#length).toString('utf8').replace(/\r$/, ''));
      this.#parts = [];
      this.#length = 0;
      start = end + 1;
    }
    this.#append(chunk.subarray(start));
    return lines;
  }

  #append(part: Buffer): void {
    if (part.length === 0) return;
    this.#length += part.length;
    if (this.#length > this.#maximumBytes) {
      throw new RangeError(`a line is longer than ${this.#maximumBytes} bytes`);
    }
    this.#parts.push(part);
  }
}
