/** What the byte forms of messages of both directions have in common. */
import type { Frame } from './frame.js';
import { MAX_DATA, type SlotAddress } from './messages.js';

export const GLOBAL: SlotAddress = { slot: 0xff, generation: 0 };

/** Writes integers into a body, little endian. */
export function body(
  ...fields: readonly (readonly [size: 1 | 2 | 4 | 8, value: number | bigint])[]
): Buffer {
  const out = Buffer.allocUnsafe(fields.reduce((sum, [size]) => sum + size, 0));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 8) out.writeBigUInt64LE(BigInt(value), at);
    else out.writeUIntLE(Number(value), at, size);
    at += size;
  }
  return out;
}

export function frame(frameType: number, to: SlotAddress, content: Buffer): Frame {
  return { type: frameType, slot: to.slot, generation: to.generation, body: content };
}

export function dataBody(offset: number, bytes: Buffer): Buffer {
  return Buffer.concat([body([4, offset]), bytes]);
}

export function decodeData(content: Buffer): { offset: number; bytes: Buffer } | undefined {
  if (content.length < 5 || content.length > 4 + MAX_DATA) return undefined;
  return { offset: content.readUInt32LE(0), bytes: Buffer.from(content.subarray(4)) };
}
