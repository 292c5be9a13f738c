/** What a VM has printed, as far as a dialogue needs it beside the text. */
import type { ScriptPeer } from './conversation.js';

/** DSR, ECMA-48 8.3.35: where is the cursor? */
const CURSOR_QUESTION = '\x1b[6n';

export class Heard {
  #bytes = 0;
  #last = '';

  constructor(peer: ScriptPeer) {
    peer.onOutput((bytes) => {
      if (bytes === undefined) return;
      this.#bytes += bytes.length;
      const tail = bytes.toString('latin1').slice(-CURSOR_QUESTION.length);
      this.#last = (this.#last + tail).slice(-CURSOR_QUESTION.length);
    });
  }

  /** So far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Last it has asked where the cursor is: a line editor has printed its prompt, and reads. */
  get editsLine(): boolean {
    return this.#last === CURSOR_QUESTION;
  }
}
