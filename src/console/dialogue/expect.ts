/**
 * A small expect: regular expressions over a byte stream that may be cut anywhere, each looking only
 * at what came after the match before it, in bounded memory.
 */
import { AnsiStripper, printableText } from '../../formats/ansi.js';

/** Unmatched text that is kept to be searched, characters. */
const WINDOW = 64 * 1024;
/** Text kept for the report of a failure, characters. */
const TRANSCRIPT = 16 * 1024;

export interface ExpectOptions {
  /** Whether to take terminal control sequences out before searching. */
  stripAnsi?: boolean;
}

export class ExpectBuffer {
  readonly #decoder = new TextDecoder();
  readonly #stripper: AnsiStripper | undefined;
  /** What no match has consumed yet. */
  #window = '';
  #transcript = '';

  constructor(options: ExpectOptions = {}) {
    this.#stripper = options.stripAnsi === true ? new AnsiStripper() : undefined;
  }

  /** More output, UTF-8, cut anywhere. */
  push(bytes: Uint8Array): void {
    const decoded = this.#decoder.decode(bytes, { stream: true });
    const text = this.#stripper?.push(decoded) ?? decoded;
    this.#window = (this.#window + text).slice(-WINDOW);
    this.#transcript = (this.#transcript + text).slice(-TRANSCRIPT);
  }

  /** The first match in what was not consumed yet; consumes up to its end. */
  find(pattern: RegExp): RegExpExecArray | undefined {
    // A sticky or global pattern keeps a position of its own.
    pattern.lastIndex = 0;
    const match = pattern.exec(this.#window);
    if (match === null) return undefined;
    this.#window = this.#window.slice(match.index + match[0].length);
    return match;
  }

  /** Takes what no match can need any more: all but the last `keep` characters, and never half a line end. */
  release(keep: number): string {
    let end = Math.max(0, this.#window.length - keep);
    while (end > 0 && this.#window[end - 1] === '\r') end--;
    const text = this.#window.slice(0, end);
    this.#window = this.#window.slice(end);
    return text;
  }

  /** The last lines that came, matched or not, fit for a terminal. */
  tail(lines: number): string[] {
    const all = this.#transcript.split(/\r*\n/).map((line) => printableText(line));
    while (all.at(-1) === '') all.pop();
    return all.slice(-lines);
  }
}
