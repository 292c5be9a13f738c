import { PassThrough } from 'node:stream';

import { expect, it } from 'vitest';

import { takePicture } from '../../src/host/framebuffer.js';

const u16 = (value: number): number[] => [value >> 8, value & 255];

/** What a server says up to its size and name, `security` being the kinds of authentication that it has. */
function opening(width: number, height: number, security = [1]): number[] {
  const format = new Array<number>(16).fill(0);
  return [
    ...Buffer.from('RFB 003.008\n'),
    ...[security.length, ...security],
    ...[0, 0, 0, 0],
    ...[...u16(width), ...u16(height), ...format, 0, 0, 0, 4, ...Buffer.from('QEMU')],
  ];
}

function rectangle(
  left: number,
  top: number,
  width: number,
  height: number,
  value: number,
): number[] {
  const pixels = Array.from({ length: width * height }, (_, index) => [value, index, 7, 0]).flat();
  return [...[left, top, width, height].flatMap(u16), 0, 0, 0, 0, ...pixels];
}

async function picture(bytes: number[]): ReturnType<typeof takePicture> {
  const input = new PassThrough();
  // In pieces that fit nothing.
  for (let at = 0; at < bytes.length; at += 5) input.write(Buffer.from(bytes.slice(at, at + 5)));
  input.end();
  return await takePicture({ input, output: new PassThrough().resume() });
}

it('puts together what comes in rectangles, between other messages', async () => {
  const { width, height, pixels } = await picture([
    ...opening(3, 2),
    2, // bell
    ...[3, 0, 0, 0, 0, 0, 0, 2, 65, 66], // clipboard
    ...[0, 0, ...u16(1), ...rectangle(0, 0, 3, 1, 10)],
    ...[0, 0, ...u16(2), ...rectangle(0, 1, 1, 1, 20), ...rectangle(1, 1, 2, 1, 30)],
  ]);
  expect([width, height]).toEqual([3, 2]);
  // Blue comes first.
  const line = (...values: [number, number][]): number[] =>
    values.flatMap(([blue, green]) => [7, green, blue]);
  expect([...pixels]).toEqual([
    ...line([10, 0], [10, 1], [10, 2]),
    ...line([20, 0], [30, 0], [30, 1]),
  ]);
});

it.each<[string, number[]]>([
  ['what is no VNC server', [...Buffer.from('SSH-2.0-dropbear')]],
  ['a screen with a password', opening(1, 1, [2])],
  ['an early end', opening(1, 1)],
  ['a screen that is too large', opening(9000, 1)],
  ['a rectangle beside it', [...opening(1, 1), 0, 0, ...u16(1), ...rectangle(1, 0, 1, 1, 0)]],
  ['a message that is not known', [...opening(1, 1), 99]],
])('refuses %s', async (_, bytes) => {
  await expect(picture(bytes)).rejects.toThrow();
});
