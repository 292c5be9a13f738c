/**
 * What a VM printed, from the first boot byte on: a ring in memory, never on disk. Positions count
 * from the first byte ever and never wrap, so that each reader keeps its own and sees what it missed.
 */

/** Some output, and how much before it was overwritten before it could be read. */
export interface HistoryChunk {
  /** A copy: it stays valid while the ring moves on. */
  readonly bytes: Buffer;
  /** Bytes between the position asked for and the first one here. */
  readonly missed: number;
}

/** How far to look for the end of a line that the ring has cut, bytes. */
const CUT_LINE = 8192;
const LF = 0x0a;

export class History {
  readonly #ring: Buffer;
  #end = 0;
  #lastStart: number | undefined;

  /** @param capacity bytes kept, at least 1 */
  constructor(capacity: number) {
    this.#ring = Buffer.alloc(capacity);
  }

  /** Position of the oldest byte that is still there. */
  get start(): number {
    return Math.max(0, this.#end - this.#ring.length);
  }

  /** Position after the newest byte: how many were ever appended. */
  get end(): number {
    return this.#end;
  }

  /** Position at which the VM started again, the last time; undefined if it has not. */
  get lastStart(): number | undefined {
    return this.#lastStart;
  }

  /** What comes from now on is of the VM as it has started again. */
  markStart(): void {
    this.#lastStart = this.#end;
  }

  append(bytes: Uint8Array): void {
    const capacity = this.#ring.length;
    const kept = bytes.subarray(Math.max(0, bytes.length - capacity));
    const at = (this.#end + bytes.length - kept.length) % capacity;
    const untilWrap = Math.min(kept.length, capacity - at);
    this.#ring.set(kept.subarray(0, untilWrap), at);
    this.#ring.set(kept.subarray(untilWrap), 0);
    this.#end += bytes.length;
  }

  /**
   * Position of the oldest whole line that is kept: once the ring has moved on, its oldest byte is in the
   * middle of anything.
   */
  get firstLine(): number {
    if (this.start === 0) return 0;
    const head = this.read(this.start, CUT_LINE)?.bytes;
    return this.start + (head === undefined ? 0 : head.indexOf(LF) + 1);
  }

  /**
   * A copy of all whole lines that are kept, and of the unfinished one.
   * @param atStart what is put in where the VM started again, the last time
   */
  snapshot(atStart = ''): Buffer {
    const from = this.firstLine;
    const bytes = this.read(from, this.#ring.length)?.bytes ?? Buffer.alloc(0);
    const cut = Math.max(0, (this.#lastStart ?? 0) - from);
    if (cut === 0) return bytes;
    return Buffer.concat([bytes.subarray(0, cut), Buffer.from(atStart), bytes.subarray(cut)]);
  }

  /** At most `limit` bytes from `position` on; undefined when there is nothing after it. */
  read(position: number, limit: number): HistoryChunk | undefined {
    const from = Math.max(position, this.start);
    const length = Math.min(limit, this.#end - from);
    if (length <= 0) return undefined;
    const at = from % this.#ring.length;
    const bytes = Buffer.allocUnsafe(length);
    const untilWrap = Math.min(length, this.#ring.length - at);
    this.#ring.copy(bytes, 0, at, at + untilWrap);
    this.#ring.copy(bytes, untilWrap, 0, length - untilWrap);
    return { bytes, missed: from - position };
  }
}
