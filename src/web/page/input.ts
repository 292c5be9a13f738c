/**
 * Input on its way to the server: in pieces, never more under way than the window allows, in order. What
 * does not fit waits here, up to a limit.
 */
import { INPUT_PIECE, INPUT_WINDOW } from './limits.js';

/** Input that may wait, bytes; more is refused as a whole. */
export const INPUT_LIMIT = 1024 * 1024;

export class InputQueue {
  readonly #send: (piece: Uint8Array<ArrayBuffer>) => void;
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #waitingBytes = 0;
  #underWay = 0;

  constructor(send: (piece: Uint8Array<ArrayBuffer>) => void) {
    this.#send = send;
  }

  /** Bytes that are neither sent nor taken. */
  get pending(): number {
    return this.#waitingBytes + this.#underWay;
  }

  /** @returns false if it is too much: then nothing of it is taken */
  push(bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.#waitingBytes + bytes.length > INPUT_LIMIT) return false;
    for (let at = 0; at < bytes.length; at += INPUT_PIECE) {
      this.#waiting.push(bytes.subarray(at, at + INPUT_PIECE));
    }
    this.#waitingBytes += bytes.length;
    this.#flush();
    return true;
  }

  /** The server has passed so many bytes on. */
  taken(bytes: number): void {
    this.#underWay = Math.max(0, this.#underWay - bytes);
    this.#flush();
  }

  /** Forgets all: it was meant for a session that is over. */
  clear(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#underWay = 0;
  }

  #flush(): void {
    for (;;) {
      const piece = this.#waiting[0];
      if (piece === undefined || this.#underWay + piece.length > INPUT_WINDOW) return;
      this.#waiting.shift();
      this.#waitingBytes -= piece.length;
      this.#underWay += piece.length;
      this.#send(piece);
    }
  }
}
