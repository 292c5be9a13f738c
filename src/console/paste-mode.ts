/**
 * Whether a program in the VM wants pastes to be marked (`CSI ? 2004 h`, xterm's bracketed paste), from its
 * output, cut anywhere.
 */

/** Asks the user's terminal to mark pastes. */
export const MARK_PASTES = '\x1b[?2004h';

/** Longest sequence that is looked for over the cut, characters. */
const TAIL = 32;
// eslint-disable-next-line no-control-regex
const SWITCH = /\x1b\[\?(?:\d*;)*2004(?:;\d*)*([hl])/g;

export class PasteMode {
  #tail = '';
  #wanted = false;

  /** Whether the VM wants the marks. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** Output of the VM; true if it has switched the user's terminal off, which then must be asked again. */
  push(bytes: Uint8Array): boolean {
    const text = this.#tail + Buffer.from(bytes).toString('latin1');
    let last: RegExpExecArray | undefined;
    for (const match of text.matchAll(SWITCH)) last = match;
    this.#tail = text.slice(
      last === undefined ? -TAIL : Math.max(last.index + last[0].length, text.length - TAIL),
    );
    if (last === undefined) return false;
    this.#wanted = last[1] === 'h';
    return !this.#wanted;
  }
}
