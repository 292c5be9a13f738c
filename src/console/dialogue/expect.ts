/**
 * A small expect: regular expressions over a byte stream that may be cut anywhere, each looking only
 * at what came after the match before it, in bounded memory.
 */
import { AnsiStripper, printableText } from '../../formats/ansi.js';

/** Unmatched text that is kept to be searched, characters. */
const WINDOW = 64 * 1024;
/** Text for the report of a failure, characters. As much again is kept: a secret may lie across its beginning. */
const TRANSCRIPT = 16 * 1024;

export interface ExpectOptions {
  /** Whether to take terminal control sequences out before searching. */
  stripAnsi?: boolean;
  /** Whether a character is a byte, whatever it stands for; else the output is read as UTF-8. */
  bytes?: boolean;
}

export class ExpectBuffer {
  readonly #decoder: TextDecoder | undefined;
  #stripper: AnsiStripper | undefined;
  #window = '';
  #transcript = '';

  constructor(options: ExpectOptions = {}) {
    this.#decoder = options.bytes === true ? undefined : new TextDecoder();
    this.#stripper = options.stripAnsi === true ? new AnsiStripper() : undefined;
  }

  /** More output, cut anywhere. */
  push(bytes: Uint8Array): void {
    const decoded =
      this.#decoder?.decode(bytes, { stream: true }) ?? Buffer.from(bytes).toString('latin1');
    const text = this.#stripper?.push(decoded) ?? decoded;
    this.#window = (this.#window + text).slice(-WINDOW);
    this.#transcript = (this.#transcript + text).slice(-2 * TRANSCRIPT);
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

  /** What matches up to the very end of what has come; consumes nothing. */
  findAtEnd(pattern: RegExp): RegExpExecArray | undefined {
    return new RegExp(`(?:${pattern.source})(?![^])`, 'm').exec(this.#window) ?? undefined;
  }

  /** Nothing that has come so far matters any more, nor a control sequence that it has begun. */
  forget(): void {
    this.#window = '';
    if (this.#stripper !== undefined) this.#stripper = new AnsiStripper();
  }

  /** Takes what cannot become a match: all but what `begin` may have begun in, and the line end before that. */
  release(begin: string): string {
    const text = this.#window;
    let end = text.lastIndexOf(begin);
    for (let length = begin.length - 1; end < 0; length--) {
      if (text.endsWith(begin.slice(0, length))) end = text.length - length;
    }
    if (text[end - 1] === '\n') end--;
    while (end > 0 && text[end - 1] === '\r') end--;
    this.#window = text.slice(end);
    return text.slice(0, end);
  }

  /** What no match has consumed yet. */
  rest(): string {
    return this.#window;
  }

  /**
   * The last lines that came, matched or not, fit for a terminal.
   * @param conceal takes out what they are not to show; it may lie over several of them
   */
  tail(lines: number, conceal: (text: string) => string = (text) => text): string[] {
    const text =
      this.#decoder === undefined
        ? Buffer.from(this.#transcript, 'latin1').toString('utf8')
        : this.#transcript;
    const came = text.split('\n');
    while (came.at(-1)?.trim() === '') came.pop();
    // A secret may have begun before the first line that is shown.
    const plain = came.slice(-2 * lines).map((line) => new AnsiStripper().push(line));
    const shown = conceal(plain.join('\n')).slice(-TRANSCRIPT);
    const all = shown.split('\n').map((line) => printableText(line));
    while (all.at(-1) === '') all.pop();
    return all.slice(-lines);
  }
}
