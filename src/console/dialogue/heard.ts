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

  /**
   * How long nothing is to follow a prompt: no time where it has asked last where the cursor is, since a line editor has printed
   * its prompt then, and reads.
   */
  quietMs(otherwise: number): number {
    return this.#last === CURSOR_QUESTION ? 0 : otherwise;
  }
}
