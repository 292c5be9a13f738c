/**
 * SLIP framing (RFC 1055): packets on a byte stream, each with END before and after it, so that noise
 * between two packets never becomes part of the second one.
 */

const END = 0xc0;
const ESC = 0xdb;
const ESC_END = 0xdc;
const ESC_ESC = 0xdd;

/** Wraps one payload (any length) into `END ... END`. */
export function encodeSlip(payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(payload.length * 2 + 2);
  let length = 0;
  out[length++] = END;
  for (const byte of payload) {
    if (byte === END) {
      out[length++] = ESC;
      out[length++] = ESC_END;
    } else if (byte === ESC) {
      out[length++] = ESC;
      out[length++] = ESC_ESC;
    } else {
      out[length++] = byte;
    }
  }
  out[length++] = END;
  return out.subarray(0, length);
}

/** What was dropped since the decoder was made, in packets. */
export interface SlipCounters {
  /** Packets longer than the limit. */
  oversize: number;
  /** Packets with an ESC that is followed by neither ESC_END nor ESC_ESC. */
  badEscape: number;
}

/**
 * Takes a byte stream in chunks of any size and hands out whole payloads. Empty packets are ignored;
 * a bad one is dropped up to the next END and counted; memory is bounded by the limit.
 */
export class SlipDecoder {
  readonly counters: SlipCounters = { oversize: 0, badEscape: 0 };
  readonly #packet: Buffer;
  readonly #onPayload: (payload: Buffer) => void;
  #length = 0;
  #escaped = false;
  /** Set while the rest of a bad packet is skipped. */
  #skipping = false;

  /**
   * @param limit longest payload, bytes
   * @param onPayload called with a payload; the buffer is reused, so copy what must live longer
   */
  constructor(limit: number, onPayload: (payload: Buffer) => void) {
    this.#packet = Buffer.allocUnsafe(limit);
    this.#onPayload = onPayload;
  }

  push(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (byte === END) {
        this.#endOfPacket();
      } else if (this.#skipping) {
        continue;
      } else if (this.#escaped) {
        this.#escaped = false;
        if (byte === ESC_END) this.#append(END);
        else if (byte === ESC_ESC) this.#append(ESC);
        else this.#drop('badEscape');
      } else if (byte === ESC) {
        this.#escaped = true;
      } else {
        this.#append(byte);
      }
    }
  }

  #append(byte: number): void {
    if (this.#length === this.#packet.length) this.#drop('oversize');
    else this.#packet[this.#length++] = byte;
  }

  #drop(reason: keyof SlipCounters): void {
    this.counters[reason]++;
    this.#skipping = true;
  }

  #endOfPacket(): void {
    if (this.#escaped && !this.#skipping) this.#drop('badEscape');
    const payload =
      this.#skipping || this.#length === 0 ? undefined : this.#packet.subarray(0, this.#length);
    this.#length = 0;
    this.#escaped = false;
    this.#skipping = false;
    if (payload !== undefined) this.#onPayload(payload);
  }
}
