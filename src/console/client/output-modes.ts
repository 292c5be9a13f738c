/**
 * Modes of the user's terminal that the VM's output switches and that this program must know of (xterm's DEC
 * private modes): bracketed paste (2004), and the alternate screen (47, 1047, 1049). The output may be cut
 * anywhere.
 */

/** Asks the user's terminal to mark pastes. */
export const MARK_PASTES = '\x1b[?2004h';

const ALTERNATE_SCREEN = new Set(['47', '1047', '1049']);
/** Longest sequence that is looked for over the cut, characters. */
const TAIL = 64;
// eslint-disable-next-line no-control-regex
const SWITCH = /\x1b\[\?([\d;]{1,48})([hl])/g;

export class OutputModes {
  #tail = '';
  #pasteMarks = false;
  #alternateScreen = false;

  /** Whether a program in the VM wants pastes to be marked. */
  get pasteMarks(): boolean {
    return this.#pasteMarks;
  }

  get alternateScreen(): boolean {
    return this.#alternateScreen;
  }

  /** Output of the VM; true if it has switched the marks off, which then must be asked for again. */
  push(bytes: Uint8Array): boolean {
    const text = this.#tail + Buffer.from(bytes).toString('latin1');
    let end = text.length - TAIL;
    let switchedOff = false;
    for (const match of text.matchAll(SWITCH)) {
      const [sequence, numbers = '', final] = match;
      end = Math.max(end, match.index + sequence.length);
      for (const mode of numbers.split(';')) {
        if (ALTERNATE_SCREEN.has(mode)) this.#alternateScreen = final === 'h';
        if (mode !== '2004') continue;
        this.#pasteMarks = final === 'h';
        switchedOff ||= final === 'l';
      }
    }
    this.#tail = text.slice(Math.max(0, end));
    return switchedOff;
  }
}
