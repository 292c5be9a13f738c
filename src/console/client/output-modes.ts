/**
 * Modes of the user's terminal that the VM's output switches and that this program must know of (xterm's DEC
 * private modes): bracketed paste (2004), the alternate screen (47, 1047, 1049), and what is rarely switched and
 * has to be undone in the end, but only then: not every terminal knows it. The output may be cut anywhere.
 */

/** Asks the user's terminal to mark pastes. */
export const MARK_PASTES = '\x1b[?2004h';

const ALTERNATE_SCREEN = new Set(['47', '1047', '1049']);
/**
 * Private modes that are off in a terminal which was left alone (reverse video, X10 mouse, other forms of mouse
 * reports, synchronized output, colour scheme and size reports), and one that is on (autowrap).
 */
const USUALLY_OFF = new Set(['5', '9', '1005', '1015', '1016', '2026', '2031', '2048']);
const USUALLY_ON = new Set(['7']);
/**
 * DECSTR, and DECSCL, which does the same (VT510 Programmer Information, chapter 5). They end the marks and leave the
 * alternate screen on. What else they reset differs between terminals: the rest is undone in the end all the same.
 */
const SOFT_RESETS = new Set(['!p', '"p']);
/** Longest sequence that is looked for over the cut, characters. */
const TAIL = 64;
/** RIS; or CSI with a private marker, numbers, an intermediate, and one of the final bytes that matter here. */
// eslint-disable-next-line no-control-regex
const SEQUENCE = /\x1b(?:c|\[([?>=<]?)([\d;:]{0,48})([ !"]?)([hlmpqu]))/g;

export class OutputModes {
  #tail = '';
  #pasteMarks = false;
  #alternateScreen = false;
  /** What undoes what was switched, by what that is. */
  readonly #undo = new Map<string, string>();
  /** Key protocols (kitty's) that were pushed and not popped. */
  #keyProtocols = 0;

  /** Whether a program in the VM wants pastes to be marked. */
  get pasteMarks(): boolean {
    return this.#pasteMarks;
  }

  get alternateScreen(): boolean {
    return this.#alternateScreen;
  }

  /** What gives the terminal back, of the modes that are rarely switched. */
  get undo(): string {
    const keys = this.#keyProtocols > 0 ? `\x1b[<${this.#keyProtocols}u` : '';
    return keys + [...this.#undo.values()].join('');
  }

  /** Output of the VM; true if it has switched the marks off, which then must be asked for again. */
  push(bytes: Uint8Array): boolean {
    const text = this.#tail + Buffer.from(bytes).toString('latin1');
    let end = text.length - TAIL;
    let switchedOff = false;
    for (const match of text.matchAll(SEQUENCE)) {
      const [sequence, marker = '', numbers = '', intermediate = '', final] = match;
      end = Math.max(end, match.index + sequence.length);
      if (final === undefined) {
        this.#reset();
        switchedOff = true;
      } else if (SOFT_RESETS.has(`${intermediate}${final}`)) {
        this.#pasteMarks = false;
        switchedOff = true;
      } else if (marker === '?' && (final === 'h' || final === 'l')) {
        for (const mode of numbers.split(';')) {
          this.#privateMode(mode, final === 'h');
          switchedOff ||= mode === '2004' && final === 'l';
        }
      } else this.#otherMode(`${marker}${intermediate}${final}`, numbers);
    }
    this.#tail = text.slice(Math.max(0, end));
    return switchedOff;
  }

  /** A terminal that is reset has none of it. */
  #reset(): void {
    this.#pasteMarks = this.#alternateScreen = false;
    this.#undo.clear();
    this.#keyProtocols = 0;
  }

  #privateMode(mode: string, on: boolean): void {
    if (ALTERNATE_SCREEN.has(mode)) this.#alternateScreen = on;
    else if (mode === '2004') this.#pasteMarks = on;
    else if (USUALLY_OFF.has(mode)) this.#note(`?${mode}`, on, `\x1b[?${mode}l`);
    else if (USUALLY_ON.has(mode)) this.#note(`?${mode}`, !on, `\x1b[?${mode}h`);
  }

  #otherMode(kind: string, numbers: string): void {
    switch (kind) {
      case ' q':
        return this.#note('cursor', !['', '0'].includes(numbers), '\x1b[0 q');
      case 'h':
      case 'l':
        if (numbers === '4') this.#note('insert', kind === 'h', '\x1b[4l');
        return;
      case '>m':
        if (/^4\b/.test(numbers)) this.#note('keys', /;[1-9]/.test(numbers), '\x1b[>4m');
        return;
      case '=u':
        return this.#note('kitty', !/^0?(;|$)/.test(numbers), '\x1b[=0u');
      case '>u':
        this.#keyProtocols = Math.min(this.#keyProtocols + 1, 99);
        return;
      case '<u':
        this.#keyProtocols = Math.max(this.#keyProtocols - (Number(numbers) || 1), 0);
    }
  }

  #note(what: string, switched: boolean, undo: string): void {
    if (switched) this.#undo.set(what, undo);
    else this.#undo.delete(what);
  }
}
