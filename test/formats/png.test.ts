import { crc32, inflateSync } from 'node:zlib';

import { expect, it } from 'vitest';

import { encodePng } from '../../src/formats/png.js';

interface Chunk {
  readonly type: string;
  readonly content: Buffer;
}

function chunksOf(png: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    const body = png.subarray(at + 4, at + 8 + length);
    expect(png.readUInt32BE(at + 8 + length)).toBe(crc32(body));
    chunks.push({ type: body.toString('latin1', 0, 4), content: body.subarray(4) });
    at += 12 + length;
  }
  return chunks;
}

it('writes size, depth and every pixel', () => {
  const pixels = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const png = encodePng(2, 2, pixels);
  expect(png.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
  const [header, data, end] = chunksOf(png);
  expect(header).toMatchObject({ type: 'IHDR' });
  expect([...(header?.content ?? [])]).toEqual([0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
  expect([...inflateSync(data?.content ?? Buffer.alloc(0))]).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12], // each line after the number of its filter
  );
  expect(end).toMatchObject({ type: 'IEND' });
});

it('refuses too few pixels', () => {
  expect(() => encodePng(2, 2, Buffer.alloc(11))).toThrow(RangeError);
});
