/** Takes one picture from a VNC server: the part of the RFB protocol (RFC 6143) that this needs. */
import type { Readable, Writable } from 'node:stream';

/** Larger screens are not believed. */
const largestSide = 8192;

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, one byte each. */
  readonly pixels: Buffer;
}

/** Reads so many bytes at a time from what comes in pieces. */
class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async take(length: number): Promise<Buffer> {
    while (this.#rest.length < length) {
      const next = await this.#chunks.next();
      if (next.done === true) throw new Error('the screen has closed the connection');
      this.#rest = Buffer.concat([this.#rest, next.value]);
    }
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

/** @throws Error when the other side ends early, wants a password, or says what RFB does not know */
export async function takePicture(server: {
  readonly input: Readable;
  readonly output: Writable;
}): Promise<Picture> {
  const from = new ByteReader(server.input);
  const { width, height } = await shakeHands(from, server.output);
  const pixels = Buffer.alloc(width * height * 3);
  server.output.write(wantAll(width, height));
  // A whole update was asked for; it may come in parts.
  for (let seen = 0; seen < width * height;) {
    const [type] = await from.take(1);
    if (type === 0) seen += await takeUpdate(from, pixels, { width, height });
    else await skipMessage(from, type);
  }
  return { width, height, pixels };
}

async function shakeHands(
  from: ByteReader,
  to: Writable,
): Promise<{ width: number; height: number }> {
  const version = (await from.take(12)).toString('latin1');
  if (!version.startsWith('RFB 003.')) throw new Error('what answers is no VNC server');
  to.write('RFB 003.008\n');
  const types = await from.take((await from.take(1)).readUInt8(0));
  if (!types.includes(1)) throw new Error('the screen wants a password');
  to.write(Buffer.from([1]));
  if ((await from.take(4)).readUInt32BE(0) !== 0) throw new Error('the screen lets nobody in');
  to.write(Buffer.from([1])); // others may look, too
  const init = await from.take(24);
  await from.take(init.readUInt32BE(20)); // its name
  const [width, height] = [init.readUInt16BE(0), init.readUInt16BE(2)];
  if (width > largestSide || height > largestSide) throw new Error('the screen is too large');
  return { width, height };
}

/** 32 bits a pixel, little endian, red above green above blue; only raw rectangles; all of it. */
function wantAll(width: number, height: number): Buffer {
  const format = [0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
  const encodings = [2, 0, 0, 1, 0, 0, 0, 0];
  const request = Buffer.alloc(10);
  request.set([3]);
  request.writeUInt16BE(width, 6);
  request.writeUInt16BE(height, 8);
  return Buffer.concat([Buffer.from([...format, ...encodings]), request]);
}

/** @returns how many pixels it had */
async function takeUpdate(
  from: ByteReader,
  pixels: Buffer,
  screen: { readonly width: number; readonly height: number },
): Promise<number> {
  let seen = 0;
  const count = (await from.take(3)).readUInt16BE(1);
  for (let rectangle = 0; rectangle < count; rectangle++) {
    const head = await from.take(12);
    const [left, top, width, height] = [0, 2, 4, 6].map((at) => head.readUInt16BE(at)) as [
      number,
      number,
      number,
      number,
    ];
    if (head.readInt32BE(8) !== 0) throw new Error('the screen sends what was not asked for');
    if (left + width > screen.width || top + height > screen.height) {
      throw new Error('the screen draws beside itself');
    }
    for (let line = 0; line < height; line++) {
      const raw = await from.take(width * 4);
      let at = ((top + line) * screen.width + left) * 3;
      for (let pixel = 0; pixel < raw.length; pixel += 4) {
        pixels[at++] = raw[pixel + 2] ?? 0;
        pixels[at++] = raw[pixel + 1] ?? 0;
        pixels[at++] = raw[pixel] ?? 0;
      }
    }
    seen += width * height;
  }
  return seen;
}

async function skipMessage(from: ByteReader, type: number | undefined): Promise<void> {
  if (type === 2) return; // bell
  if (type === 1) {
    const head = await from.take(5); // colour map
    await from.take(head.readUInt16BE(3) * 6);
  } else if (type === 3) {
    const head = await from.take(7); // clipboard
    await from.take(head.readUInt32BE(3));
  } else throw new Error(`the screen says something unknown (${type})`);
}
