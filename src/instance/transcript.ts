/** Keeps the end of what is written to it, in memory. */
import { Writable } from 'node:stream';

/** More than any script looks at. */
const keptCharacters = 4 * 1024 * 1024;

export class Transcript extends Writable {
  #text = '';

  /** Bytes as characters one to one (latin1). */
  get text(): string {
    return this.#text;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#text = (this.#text + chunk.toString('latin1')).slice(-keptCharacters);
    done();
  }
}
