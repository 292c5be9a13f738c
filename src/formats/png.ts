/** PNG images (ISO/IEC 15948), of true colours without transparency. */
import { crc32, deflateSync } from 'node:zlib';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** @param pixels red, green, blue: one byte each, line by line */
export function encodePng(width: number, height: number, pixels: Buffer): Buffer {
  const stride = width * 3;
  if (pixels.length !== stride * height) throw new RangeError('not as many pixels as it is large');
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // bits of a sample; true colour
  const lines = Buffer.alloc((stride + 1) * height); // each after the number of its filter: none
  for (let line = 0; line < height; line++) {
    pixels.copy(lines, line * (stride + 1) + 1, line * stride, (line + 1) * stride);
  }
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(lines)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
