/** The byte forms of what L1 says. Decoding never throws: what does not fit exactly is undefined, and counted by the caller. */
import { uuidText } from '../base/uuid.js';
import { evidenceKinds } from '../contract/watched.js';
import { body, dataBody, decodeData, frame, GLOBAL } from './bodies.js';
import type { Frame } from './frame.js';
import {
  resultStatuses,
  type,
  vmStates,
  type FromL1,
  type SlotAddress,
  type VmRecord,
} from './messages.js';

/** Of the flags of a VM: the first kind of evidence. */
export const EVIDENCE_FLAG = 0x10;

export function encodeFromL1(message: FromL1): Frame {
  switch (message.type) {
    case 'hello': {
      const { version, slots, outRing, inRing, bootId, xenVersion } = message.hello;
      const fixed = body([2, version], [2, slots], [4, outRing], [4, inRing], [8, bootId]);
      return frame(type.hello, GLOBAL, Buffer.concat([fixed, Buffer.from(xenVersion, 'ascii')]));
    }
    case 'vm': {
      const { vm } = message;
      const flags =
        (vm.hooked ? 1 : 0) |
        (vm.uuid === undefined ? 0 : 2) |
        (vm.doubtful ? 4 : 0) |
        (vm.grown ? 8 : 0) |
        vm.evidence.reduce(
          (bits, kind) => bits | (EVIDENCE_FLAG << evidenceKinds.indexOf(kind)),
          0,
        );
      const uuid = Buffer.alloc(16);
      if (vm.uuid !== undefined) uuid.write(vm.uuid.replaceAll('-', ''), 'hex');
      return frame(
        type.vm,
        vm,
        Buffer.concat([
          body([1, vmStates.indexOf(vm.state) + 1], [1, flags], [2, vm.domid]),
          uuid,
          body([4, vm.outAcked], [4, vm.outEnd], [4, vm.inNext]),
        ]),
      );
    }
    case 'output':
      return frame(type.output, message, dataBody(message.offset, message.bytes));
    case 'inputAck':
      return frame(type.inputAck, message, body([4, message.next], [2, message.window]));
    case 'counters':
      return frame(
        type.counters,
        message,
        body([2, message.tag], ...message.values.map((value) => [8, value] as const)),
      );
    case 'result': {
      const status = resultStatuses.indexOf(message.status);
      return frame(
        type.result,
        message,
        body([2, message.tag], [1, message.requestType], [1, status]),
      );
    }
    case 'line':
      return frame(type.line, message, body([1, message.high ? 1 : 0]));
  }
}

export function decodeFromL1(received: Frame): FromL1 | undefined {
  const { body: content } = received;
  const address: SlotAddress = { slot: received.slot, generation: received.generation };
  switch (received.type) {
    case type.hello:
      if (content.length < 20) return undefined;
      return {
        type: 'hello',
        hello: {
          version: content.readUInt16LE(0),
          slots: content.readUInt16LE(2),
          outRing: content.readUInt32LE(4),
          inRing: content.readUInt32LE(8),
          bootId: content.readBigUInt64LE(12),
          // It ends up on terminals: anything but printable ASCII is hostile or noise.
          xenVersion: content.toString('latin1', 20).replace(/[^\x20-\x7e]/g, ''),
        },
      };
    case type.vm: {
      if (content.length !== 32 || address.slot === GLOBAL.slot) return undefined;
      const state = vmStates[content.readUInt8(0) - 1];
      if (state === undefined) return undefined;
      const flags = content.readUInt8(1);
      const vm: VmRecord = {
        ...address,
        state,
        hooked: (flags & 1) !== 0,
        domid: content.readUInt16LE(2),
        uuid: (flags & 2) === 0 ? undefined : uuidText(content.subarray(4, 20)),
        doubtful: (flags & 4) !== 0,
        grown: (flags & 8) !== 0,
        evidence: evidenceKinds.filter((_, index) => (flags & (EVIDENCE_FLAG << index)) !== 0),
        outAcked: content.readUInt32LE(20),
        outEnd: content.readUInt32LE(24),
        inNext: content.readUInt32LE(28),
      };
      return { type: 'vm', vm };
    }
    case type.output: {
      const data = decodeData(content);
      return data && { type: 'output', ...address, ...data };
    }
    case type.inputAck:
      if (content.length !== 6) return undefined;
      return {
        type: 'inputAck',
        ...address,
        next: content.readUInt32LE(0),
        window: content.readUInt16LE(4),
      };
    case type.counters: {
      if (content.length < 2 || (content.length - 2) % 8 !== 0) return undefined;
      const values: bigint[] = [];
      for (let at = 2; at < content.length; at += 8) values.push(content.readBigUInt64LE(at));
      return { type: 'counters', ...address, tag: content.readUInt16LE(0), values };
    }
    case type.result: {
      if (content.length !== 4) return undefined;
      const status = resultStatuses[content.readUInt8(3)];
      if (status === undefined) return undefined;
      return {
        type: 'result',
        ...address,
        tag: content.readUInt16LE(0),
        requestType: content.readUInt8(2),
        status,
      };
    }
    case type.line: {
      const level = content.length === 1 ? content.readUInt8(0) : undefined;
      return level === 0 || level === 1
        ? { type: 'line', ...address, high: level === 1 }
        : undefined;
    }
    default:
      return undefined;
  }
}
