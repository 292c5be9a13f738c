/**
 * Splits what a guest prints into lines. A guest may print without line feeds: a line that grows too
 * long is cut, its rest is dropped.
 */

/** Characters of a line that are kept. */
const maximumLineLength = 4096;

export class BoundedLines {
  #partial = '';

  /** The beginning of a line that has not ended yet. */
  get partial(): string {
    return this.#partial;
  }

  /** Takes a piece of text and returns the lines that it completes, without `\r` and `\n`. */
  push(text: string): string[] {
    const parts = (this.#partial + text).split('\n');
    this.#partial = (parts.pop() ?? '').slice(0, maximumLineLength);
    return parts.map((part) => part.replace(/\r+$/, '').slice(0, maximumLineLength));
  }
}
