/** The byte forms of what L1 is told. Decoding never throws: what does not fit exactly is undefined, and counted by the caller. */
import { body, dataBody, decodeData, frame, GLOBAL } from './bodies.js';
import type { Frame } from './frame.js';
import { hltPolicies, irqModes, type, type SlotAddress, type ToL1 } from './messages.js';

export function encodeToL1(message: ToL1): Frame {
  switch (message.type) {
    case 'hello':
      return frame(type.helloRequest, GLOBAL, body([2, message.version]));
    case 'input':
      return frame(type.input, message, dataBody(message.offset, message.bytes));
    case 'outputAck':
      return frame(type.outputAck, message, body([4, message.next], [1, message.resend ? 1 : 0]));
    case 'getCounters':
    case 'break':
    case 'forget':
      return frame(type[message.type], message, body([2, message.tag]));
    case 'hook':
      return frame(type.hook, message, body([2, message.tag], [1, message.on ? 1 : 0]));
    case 'hltPolicy': {
      const policy = hltPolicies.indexOf(message.policy);
      return frame(type.hltPolicy, message, body([2, message.tag], [1, policy]));
    }
    case 'irqMode': {
      const mode = irqModes.indexOf(message.mode);
      return frame(type.irqMode, message, body([2, message.tag], [1, mode]));
    }
    case 'attached':
      return frame(type.attached, message, body([2, message.tag], [2, message.sessions]));
    case 'hold':
      return frame(type.hold, message, body([2, message.tag], [2, message.milliseconds]));
  }
}

export function decodeToL1(received: Frame): ToL1 | undefined {
  const { body: content } = received;
  const address: SlotAddress = { slot: received.slot, generation: received.generation };
  const tagged = (length: number): { tag: number } | undefined =>
    content.length === length ? { tag: content.readUInt16LE(0) } : undefined;
  switch (received.type) {
    case type.helloRequest:
      return content.length === 2 ? { type: 'hello', version: content.readUInt16LE(0) } : undefined;
    case type.input: {
      const data = decodeData(content);
      return data && { type: 'input', ...address, ...data };
    }
    case type.outputAck:
      if (content.length !== 5) return undefined;
      return {
        type: 'outputAck',
        ...address,
        next: content.readUInt32LE(0),
        resend: (content.readUInt8(4) & 1) !== 0,
      };
    case type.getCounters: {
      const tag = tagged(2);
      return tag && { type: 'getCounters', ...address, ...tag };
    }
    case type.break: {
      const tag = tagged(2);
      return tag && { type: 'break', ...address, ...tag };
    }
    case type.forget: {
      const tag = tagged(2);
      return tag && { type: 'forget', ...address, ...tag };
    }
    case type.hook: {
      const tag = tagged(3);
      return tag && { type: 'hook', ...address, ...tag, on: content.readUInt8(2) !== 0 };
    }
    case type.hltPolicy: {
      const tag = tagged(3);
      const policy = tag && hltPolicies[content.readUInt8(2)];
      return tag && policy && { type: 'hltPolicy', ...address, ...tag, policy };
    }
    case type.irqMode: {
      const tag = tagged(3);
      const mode = tag && irqModes[content.readUInt8(2)];
      return tag && mode && { type: 'irqMode', ...address, ...tag, mode };
    }
    case type.attached: {
      const tag = tagged(4);
      return tag && { type: 'attached', ...address, ...tag, sessions: content.readUInt16LE(2) };
    }
    case type.hold: {
      const tag = tagged(4);
      return tag && { type: 'hold', ...address, ...tag, milliseconds: content.readUInt16LE(2) };
    }
    default:
      return undefined;
  }
}
