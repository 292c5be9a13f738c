/**
 * One console byte stream over the link, made reliable by go-back-N: pure state machines for the two
 * ends, without timers or input/output. Positions are u32 and wrap.
 */

const u32 = (value: number): number => value >>> 0;

/** How far `to` lies after `from` on the u32 circle; negative when it lies before. */
export function distance(from: number, to: number): number {
  return (to - from) | 0;
}

/** What the receiver made of one DATA message. */
export type Received =
  /** New bytes (a duplicate part in front is already cut off). */
  | { readonly kind: 'data'; readonly bytes: Buffer }
  /** Nothing new: the acknowledgement was lost, so send it again. */
  | { readonly kind: 'duplicate' }
  /** Something before it is missing; `first` once for each gap. */
  | { readonly kind: 'gap'; readonly first: boolean };

/** The receiving end: hands out each byte once and in order. */
export class StreamReceiver {
  #next: number;
  #gapReported = false;

  /** @param next position of the first byte that is wanted, u32 */
  constructor(next: number) {
    this.#next = u32(next);
  }

  /** Position after the last byte handed out: what to acknowledge. */
  get next(): number {
    return this.#next;
  }

  receive(offset: number, bytes: Buffer): Received {
    const ahead = distance(this.#next, offset);
    if (ahead > 0) {
      const first = !this.#gapReported;
      this.#gapReported = true;
      return { kind: 'gap', first };
    }
    if (ahead + bytes.length <= 0) return { kind: 'duplicate' };
    this.#next = u32(offset + bytes.length);
    this.#gapReported = false;
    return { kind: 'data', bytes: bytes.subarray(-ahead) };
  }

  /**
   * The sender no longer has anything before `position`: continue there.
   * @returns how many bytes were skipped and are lost, 0 if none
   */
  skipTo(position: number): number {
    const skipped = distance(this.#next, position);
    if (skipped <= 0) return 0;
    this.#next = u32(position);
    this.#gapReported = false;
    return skipped;
  }
}

/** One DATA message to send. */
export interface Segment {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** The sending end: keeps what is not acknowledged, within the window that the receiver opened. */
export class StreamSender {
  /** Position of the first byte that is not acknowledged; the buffer starts there. */
  #base: number;
  /** Next byte to send, and the furthest ever sent. */
  #next: number;
  #furthest: number;
  /** Position that may not be passed: what the receiver has room for. */
  #edge: number;
  #buffer: Buffer = Buffer.alloc(0);

  /** @param base position of the next byte, u32; nothing may be sent before the first acknowledgement */
  constructor(base: number) {
    this.#base = this.#next = this.#furthest = this.#edge = u32(base);
  }

  /** Position of the first byte that is not acknowledged. */
  get base(): number {
    return this.#base;
  }

  /** Bytes kept: sent and not acknowledged, or not sent yet. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /** Whether bytes were sent that are not acknowledged. */
  get inFlight(): boolean {
    return this.#furthest !== this.#base;
  }

  write(bytes: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
  }

  /** The next message to send, of at most `limit` bytes; undefined when there is nothing, or no window. */
  take(limit: number): Segment | undefined {
    const start = distance(this.#base, this.#next);
    const room = distance(this.#next, this.#edge);
    const length = Math.min(limit, room, this.#buffer.length - start);
    if (length <= 0) return undefined;
    const segment = { offset: this.#next, bytes: this.#buffer.subarray(start, start + length) };
    this.#next = u32(this.#next + length);
    if (distance(this.#furthest, this.#next) > 0) this.#furthest = this.#next;
    return segment;
  }

  /**
   * Everything before `next` has arrived, and `window` more bytes may be sent.
   * @param window bytes; undefined when the message did not tell
   * @returns whether it was news; false for an old or an impossible one, which changes nothing
   */
  acknowledge(next: number, window?: number): boolean {
    const acknowledged = distance(this.#base, next);
    if (acknowledged < 0 || acknowledged > distance(this.#base, this.#furthest)) return false;
    const edge = window === undefined ? this.#edge : u32(next + window);
    const news = acknowledged > 0 || edge !== this.#edge;
    this.#edge = edge;
    this.#base = u32(next);
    this.#buffer = this.#buffer.subarray(acknowledged);
    if (distance(this.#base, this.#next) < 0) this.#next = this.#base;
    return news;
  }

  /**
   * Goes on with a receiver that was out of reach and now wants `next`. Its window is unknown until it
   * acknowledges.
   * @returns false when `next` is not among the bytes kept: this sender is of no use to it
   */
  resumeAt(next: number): boolean {
    const acknowledged = distance(this.#base, next);
    if (acknowledged < 0 || acknowledged > distance(this.#base, this.#furthest)) return false;
    this.#base = this.#next = this.#edge = u32(next);
    this.#buffer = this.#buffer.subarray(acknowledged);
    return true;
  }

  /** Nothing was heard for too long: send again from the last acknowledged byte. */
  goBack(): void {
    this.#next = this.#base;
  }

  /**
   * A byte that the receiver already has (at stream start: pretends to have). It answers such a
   * duplicate with its acknowledgement, which tells the window again if that message was lost.
   */
  probe(): Segment {
    return { offset: u32(this.#base - 1), bytes: Buffer.alloc(1) };
  }
}

/** Milliseconds until a sender that hears nothing tries again: 500, doubling to 4000. */
export class RetryDelay {
  static readonly #first = 500;
  static readonly #last = 4000;
  #delay = RetryDelay.#first;

  /** The delay to wait now; the one after it is twice as long. */
  next(): number {
    const delay = this.#delay;
    this.#delay = Math.min(delay * 2, RetryDelay.#last);
    return delay;
  }

  /** There was progress. */
  reset(): void {
    this.#delay = RetryDelay.#first;
  }
}
