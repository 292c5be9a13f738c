/**
 * Takes terminal control sequences (ECMA-48) out of text that comes in pieces, wherever they are cut.
 */
export class AnsiStripper {
  #state: 'text' | 'escape' | 'intermediate' | 'csi' | 'string' | 'string-escape' = 'text';

  /** The text without control sequences; an unfinished one is kept for the next piece. */
  push(text: string): string {
    let out = '';
    for (const character of text) {
      switch (this.#state) {
        case 'text':
          if (character === '\x1b') this.#state = 'escape';
          else out += character;
          break;
        case 'escape':
          if (character === '[') this.#state = 'csi';
          // DCS, SOS, OSC, PM, APC: a string up to ST, or BEL as xterm has it.
          else if ('PX]^_'.includes(character)) this.#state = 'string';
          else if (character >= ' ' && character <= '/') this.#state = 'intermediate';
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
          if (character === '\x07') this.#state = 'text';
          else if (character === '\x1b') this.#state = 'string-escape';
          break;
        case 'string-escape':
          this.#state = character === '\\' ? 'text' : 'string';
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
