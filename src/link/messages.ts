/**
 * The messages of the link, both directions, as one discriminated union each, and their byte forms.
 * Decoding never throws: whatever does not fit exactly is undefined and counted by the caller.
 */
import { uuidText } from '../base/uuid.js';
import type { Frame } from './frame.js';
import { MAX_BODY } from './frame.js';

/** The only version there is so far. */
export const PROTOCOL_VERSION = 1;

/** Bytes of console data in one DATA message at most: the body less its offset, rounded down. */
export const MAX_DATA = 248;

const type = {
  // L1 to L0
  hello: 0x01,
  vm: 0x02,
  output: 0x03,
  inputAck: 0x04,
  counters: 0x05,
  result: 0x06,
  line: 0x07,
  // L0 to L1
  helloRequest: 0x81,
  input: 0x83,
  outputAck: 0x84,
  getCounters: 0x85,
  hook: 0x86,
  hltPolicy: 0x87,
  break: 0x88,
  attached: 0x89,
  forget: 0x8a,
  irqMode: 0x8b,
  hold: 0x8c,
} as const;

/** `running`, not seen running for 10 s, or gone (its slot is free). */
export type VmState = 'running' | 'silent' | 'gone';
const vmStates: readonly VmState[] = ['running', 'silent', 'gone'];

/** When a HLT of a user VM is kept from L2 (docs: HLT capture). */
export type HltPolicy = 'never' | 'adaptive' | 'attached' | 'always';
const hltPolicies: readonly HltPolicy[] = ['never', 'adaptive', 'attached', 'always'];

/** How the virtualized system is made to raise a user VM's IRQ 4 (docs/interrupt-paths.md). */
export type IrqMode = 'doorbell' | 'ultracall' | 'net' | 'direct';
const irqModes: readonly IrqMode[] = ['doorbell', 'ultracall', 'net', 'direct'];

export type ResultStatus = 'ok' | 'no-such-vm' | 'bad-argument';
const resultStatuses: readonly ResultStatus[] = ['ok', 'no-such-vm', 'bad-argument'];

/** Which VM a message is about. */
export interface SlotAddress {
  readonly slot: number;
  readonly generation: number;
}

/** What the hypervisor says about itself. */
export interface HelloRecord {
  readonly version: number;
  /** How many user VMs it can shadow at once. */
  readonly slots: number;
  /** Output it keeps for each VM until acknowledged, bytes. */
  readonly outRing: number;
  /** Input it takes for each VM ahead of the VM's reading, bytes. */
  readonly inRing: number;
  /** Different at each boot of L1. */
  readonly bootId: bigint;
  readonly xenVersion: string;
}

/** What the hypervisor says about one user VM. */
export interface VmRecord extends SlotAddress {
  readonly state: VmState;
  /** Whether its COM1 is shadowed, or left to the virtualized system. */
  readonly hooked: boolean;
  /** The L1 domain that it runs in. */
  readonly domid: number;
  /** SMBIOS UUID as printed, once L1 has found it: a label, not proof. */
  readonly uuid: string | undefined;
  /** Positions in the VM's streams, u32: output acknowledged, output produced, next input expected. */
  readonly outAcked: number;
  readonly outEnd: number;
  readonly inNext: number;
}

export type FromL1 =
  | { readonly type: 'hello'; readonly hello: HelloRecord }
  | { readonly type: 'vm'; readonly vm: VmRecord }
  | ({ readonly type: 'output'; readonly offset: number; readonly bytes: Buffer } & SlotAddress)
  | ({ readonly type: 'inputAck'; readonly next: number; readonly window: number } & SlotAddress)
  | ({
      readonly type: 'counters';
      readonly tag: number;
      readonly values: readonly bigint[];
    } & SlotAddress)
  | ({
      readonly type: 'result';
      readonly tag: number;
      readonly requestType: number;
      readonly status: ResultStatus;
    } & SlotAddress)
  | ({ readonly type: 'line'; readonly high: boolean } & SlotAddress);

/** A request that L1 answers with RESULT, or with COUNTERS, and the same tag. */
export type Request =
  | { readonly type: 'getCounters' }
  | { readonly type: 'hook'; readonly on: boolean }
  | { readonly type: 'hltPolicy'; readonly policy: HltPolicy }
  | { readonly type: 'break' }
  | { readonly type: 'attached'; readonly sessions: number }
  | { readonly type: 'forget' }
  | { readonly type: 'irqMode'; readonly mode: IrqMode }
  | { readonly type: 'hold'; readonly milliseconds: number };

export type ToL1 =
  | { readonly type: 'hello'; readonly version: number }
  | ({ readonly type: 'input'; readonly offset: number; readonly bytes: Buffer } & SlotAddress)
  | ({ readonly type: 'outputAck'; readonly next: number; readonly resend: boolean } & SlotAddress)
  | (Request & { readonly tag: number } & SlotAddress);

const GLOBAL: SlotAddress = { slot: 0xff, generation: 0 };

/** Writes integers into a body, little endian. */
function body(
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

function frame(frameType: number, to: SlotAddress, content: Buffer): Frame {
  return { type: frameType, slot: to.slot, generation: to.generation, body: content };
}

function dataBody(offset: number, bytes: Buffer): Buffer {
  return Buffer.concat([body([4, offset]), bytes]);
}

function decodeData(content: Buffer): { offset: number; bytes: Buffer } | undefined {
  if (content.length < 5 || content.length > 4 + MAX_DATA) return undefined;
  return { offset: content.readUInt32LE(0), bytes: Buffer.from(content.subarray(4)) };
}

export function encodeFromL1(message: FromL1): Frame {
  switch (message.type) {
    case 'hello': {
      const { version, slots, outRing, inRing, bootId, xenVersion } = message.hello;
      const fixed = body([2, version], [2, slots], [4, outRing], [4, inRing], [8, bootId]);
      return frame(type.hello, GLOBAL, Buffer.concat([fixed, Buffer.from(xenVersion, 'ascii')]));
    }
    case 'vm': {
      const { vm } = message;
      const flags = (vm.hooked ? 1 : 0) | (vm.uuid === undefined ? 0 : 2);
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

/** The type byte of a request, which RESULT repeats. */
export function requestTypeOf(request: Request): number {
  return type[request.type];
}

const vmCounterNames = [
  'exitsCom1',
  'exitsHlt',
  'exitsOther',
  'bytesOut',
  'bytesIn',
  'rings',
  'reRings',
  'doorbellExits',
  'irqAsserts',
  'haltsCaptured',
  'txOverruns',
  'rxOverruns',
  'refusedWide',
  'stringAccesses',
  'heartbeatQuirks',
  'vcpus',
  'linesTold',
  'directInterrupts',
  'directUnanswered',
] as const;

const globalCounterNames = [
  'framesIn',
  'framesBadCrc',
  'framesOversize',
  'framesBadEscape',
  'framesStale',
  'framesUnknown',
  'framesOut',
  'resends',
  'vmsSeen',
  'vmsRefused',
  'accessesRefused',
  'uptimeNs',
  'ultracalls',
  'ultracallWaits',
] as const;

/** What the hypervisor counted for one VM since its slot was given to it. */
export type VmCounters = Readonly<Record<(typeof vmCounterNames)[number], number>>;
/** What the hypervisor counted since it started; uptimeNs in nanoseconds. */
export type GlobalCounters = Readonly<Record<(typeof globalCounterNames)[number], number>>;

/** Names the values in their order; a newer hypervisor may send more, a missing one reads 0. */
function named<Name extends string>(
  names: readonly Name[],
  values: readonly bigint[],
): Readonly<Record<Name, number>> {
  return Object.fromEntries(
    names.map((name, index) => [name, Number(values[index] ?? 0n)]),
  ) as Record<Name, number>;
}

export function vmCountersOf(values: readonly bigint[]): VmCounters {
  return named(vmCounterNames, values);
}

export function globalCountersOf(values: readonly bigint[]): GlobalCounters {
  return named(globalCounterNames, values);
}

/** How many u64 fit into one COUNTERS message. */
export const MAX_COUNTERS = Math.floor((MAX_BODY - 2) / 8);
