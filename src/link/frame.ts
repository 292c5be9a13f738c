/**
 * The frame of the link between the shadow hypervisor (L1) and this side (L0):
 * `type u8 | slot u8 | generation u16 | body | crc32 u32`, little endian, CRC-32 of IEEE 802.3 over all
 * before it, the whole in SLIP. messages.ts says what the bodies are.
 */
import { crc32 } from 'node:zlib';

import { encodeSlip } from '../formats/slip.js';

/** `type`, `slot`, `generation`. */
const HEADER_BYTES = 4;
const CRC_BYTES = 4;
/** Longest body of a frame, bytes. */
export const MAX_BODY = 256;
/** Longest frame before SLIP, bytes. */
export const MAX_PAYLOAD = HEADER_BYTES + MAX_BODY + CRC_BYTES;

/** The slot that names no VM: the link as a whole, with generation 0. */
export const GLOBAL_SLOT = 0xff;

export interface Frame {
  readonly type: number;
  /** The VM's slot in the hypervisor's table, or {@link GLOBAL_SLOT}. */
  readonly slot: number;
  /** Which tenant of the slot, u16; it changes when the slot is given to another VM. */
  readonly generation: number;
  readonly body: Buffer;
}

/**
 * The bytes to write for one frame.
 * @throws RangeError when the body is longer than {@link MAX_BODY}
 */
export function encodeFrame(frame: Frame): Buffer {
  if (frame.body.length > MAX_BODY)
    throw new RangeError(`frame body of ${frame.body.length} bytes`);
  const payload = Buffer.allocUnsafe(HEADER_BYTES + frame.body.length + CRC_BYTES);
  payload.writeUInt8(frame.type, 0);
  payload.writeUInt8(frame.slot, 1);
  payload.writeUInt16LE(frame.generation, 2);
  frame.body.copy(payload, HEADER_BYTES);
  const end = payload.length - CRC_BYTES;
  payload.writeUInt32LE(crc32(payload.subarray(0, end)), end);
  return encodeSlip(payload);
}

/** Checks and opens a payload that came out of SLIP; undefined if it is cut or its CRC is wrong. The body is a view. */
export function decodeFrame(payload: Buffer): Frame | undefined {
  const end = payload.length - CRC_BYTES;
  if (end < HEADER_BYTES) return undefined;
  if (crc32(payload.subarray(0, end)) !== payload.readUInt32LE(end)) return undefined;
  return {
    type: payload.readUInt8(0),
    slot: payload.readUInt8(1),
    generation: payload.readUInt16LE(2),
    body: payload.subarray(HEADER_BYTES, end),
  };
}
