/**
 * Takes terminal control sequences (ECMA-48) out of text that comes in pieces, wherever they are cut.
 */
/** A string for the terminal that goes on for longer was never ended; the text after it counts again. */
const MAX_STRING = 4096;
/** The only strings that have line ends in them: pictures (sixels). */
const SIXELS = /^P[\d;]*q/;

export class AnsiStripper {
  #state: 'text' | 'escape' | 'intermediate' | 'csi' | 'string' | 'string-escape' = 'text';

  /** The string so far, from the character that says what it is. */
  #string = '';

  /** The text without control sequences; an unfinished one is kept for the next piece. */
  push(text: string): string {
    let out = '';
    for (const character of text) {
      // CAN and SUB end any sequence (ECMA-48).
      if ((character === '\x18' || character === '\x1a') && this.#state !== 'text') {
        this.#state = 'text';
        continue;
      }
      switch (this.#state) {
        case 'text':
          if (character === '\x1b') this.#state = 'escape';
          else out += character;
          break;
        case 'escape':
          if (character === '[') this.#state = 'csi';
          // DCS, SOS, OSC, PM, APC: a string up to ST, or BEL as xterm has it.
          else if ('PX]^_'.includes(character)) {
            this.#state = 'string';
            this.#string = character;
          } else if (character >= ' ' && character <= '/') this.#state = 'intermediate';
          else if (character !== '\x1b') this.#state = 'text';
          break;
        case 'intermediate':
          if (character < ' ' || character > '/') this.#state = 'text';
          break;
        case 'csi':
          if (character === '\x1b') this.#state = 'escape';
          else if (character >= '@' && character <= '~') this.#state = 'text';
          break;
        case 'string':
          if (character === '\x07' || this.#string.length > MAX_STRING) this.#state = 'text';
          else if (character === '\x1b') this.#state = 'string-escape';
          else if (character === '\n' && !SIXELS.test(this.#string)) {
            this.#state = 'text';
            out += character;
          } else this.#string += character;
          break;
        case 'string-escape':
          // Not its end: another sequence has cut it short.
          if (character === '\\') this.#state = 'text';
          else if (character !== '\x1b') {
            this.#state = 'escape';
            out += this.push(character);
          }
          break;
      }
    }
    return out;
  }
}

/** Text from outside as it may be shown on a terminal: no control sequences, no control characters but tab. */
export function printableText(text: string): string {
  // eslint-disable-next-line no-control-regex
  return new AnsiStripper().push(text).replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, '');
}

/** The same of several lines, each by itself: what one of them leaves open takes nothing of the next. */
export function printableLines(text: string): string {
  return text.split('\n').map(printableText).join('\n');
}

/** Of what a layer says, so much is quoted, characters. */
const MAX_QUOTED = 1000;

/** What a layer says, as part of a message or a log of ours: one line of printable text, the beginning of what is long. */
export function oneLine(text: string): string {
  const lines = text.slice(0, MAX_QUOTED).split(/[\r\n]+/);
  return lines
    .map((line) => printableText(line).trim())
    .filter((line) => line !== '')
    .join('; ');
}
