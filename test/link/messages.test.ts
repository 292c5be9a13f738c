import fc from 'fast-check';
import { expect, test } from 'vitest';

import { evidenceKinds } from '../../src/contract/watched.js';
import { SlipDecoder } from '../../src/formats/slip.js';
import { globalCountersOf, vmCountersOf } from '../../src/link/counters.js';
import { decodeFrame, encodeFrame, MAX_PAYLOAD, type Frame } from '../../src/link/frame.js';
import { decodeFromL1, encodeFromL1 } from '../../src/link/from-l1.js';
import type { FromL1, ToL1 } from '../../src/link/messages.js';
import { decodeToL1, encodeToL1 } from '../../src/link/to-l1.js';

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffff_ffff);
const u64 = fc.bigInt(0n, (1n << 64n) - 1n);
const slot = fc.nat(0xfe);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 248 }).map((array) => Buffer.from(array));
const address = { slot, generation: u16 };

const fromL1: fc.Arbitrary<FromL1> = fc.oneof(
  fc.record({
    type: fc.constant('hello' as const),
    hello: fc.record({
      version: u16,
      slots: u16,
      outRing: u32,
      inRing: u32,
      bootId: u64,
      xenVersion: fc.stringMatching(/^[ -~]{0,40}$/),
    }),
  }),
  fc.record({
    type: fc.constant('vm' as const),
    vm: fc.record({
      ...address,
      state: fc.constantFrom('running' as const, 'silent' as const, 'gone' as const),
      hooked: fc.boolean(),
      domid: u16,
      uuid: fc.option(fc.uuid(), { nil: undefined }),
      doubtful: fc.boolean(),
      grown: fc.boolean(),
      evidence: fc.subarray([...evidenceKinds]),
      outAcked: u32,
      outEnd: u32,
      inNext: u32,
    }),
  }),
  fc.record({ type: fc.constant('output' as const), ...address, offset: u32, bytes }),
  fc.record({ type: fc.constant('inputAck' as const), ...address, next: u32, window: u16 }),
  fc.record({
    type: fc.constant('counters' as const),
    ...address,
    tag: u16,
    values: fc.array(u64, { maxLength: 31 }),
  }),
  fc.record({
    type: fc.constant('result' as const),
    ...address,
    tag: u16,
    requestType: u8,
    status: fc.constantFrom('ok' as const, 'no-such-vm' as const, 'bad-argument' as const),
  }),
  fc.record({ type: fc.constant('line' as const), ...address, high: fc.boolean() }),
);

const tagged = { ...address, tag: u16 };
const toL1: fc.Arbitrary<ToL1> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), version: u16 }),
  fc.record({ type: fc.constant('input' as const), ...address, offset: u32, bytes }),
  fc.record({
    type: fc.constant('outputAck' as const),
    ...address,
    next: u32,
    resend: fc.boolean(),
  }),
  fc.record({
    type: fc.constantFrom('getCounters' as const, 'break' as const, 'forget' as const),
    ...tagged,
  }),
  fc.record({ type: fc.constant('hook' as const), ...tagged, on: fc.boolean() }),
  fc.record({
    type: fc.constant('hltPolicy' as const),
    ...tagged,
    policy: fc.constantFrom(
      'never' as const,
      'adaptive' as const,
      'attached' as const,
      'always' as const,
    ),
  }),
  fc.record({
    type: fc.constant('irqMode' as const),
    ...tagged,
    mode: fc.constantFrom('doorbell' as const, 'ultracall' as const, 'net' as const),
  }),
  fc.record({ type: fc.constant('attached' as const), ...tagged, sessions: u16 }),
  fc.record({ type: fc.constant('hold' as const), ...tagged, milliseconds: u16 }),
);

/** Over the wire and back. */
function transport(frame: Frame): Frame | undefined {
  let received: Frame | undefined;
  const decoder = new SlipDecoder(MAX_PAYLOAD, (payload) => {
    received = decodeFrame(Buffer.from(payload));
  });
  decoder.push(encodeFrame(frame));
  return received;
}

test('messages from L1 survive the wire', () => {
  fc.assert(
    fc.property(fromL1, (message) => {
      const frame = transport(encodeFromL1(message));
      expect(frame && decodeFromL1(frame)).toEqual(message);
    }),
  );
});

test('messages to L1 survive the wire', () => {
  fc.assert(
    fc.property(toL1, (message) => {
      const frame = transport(encodeToL1(message));
      expect(frame && decodeToL1(frame)).toEqual(message);
    }),
  );
});

test('a HELLO and a VM message have the layout that the C side sends', () => {
  const hello = Buffer.from(
    '0100 1000 00000100 00100000 8877665544332211 342e3137'.replaceAll(' ', ''),
    'hex',
  );
  expect(decodeFromL1({ type: 1, slot: 0xff, generation: 0, body: hello })).toEqual({
    type: 'hello',
    hello: {
      version: 1,
      slots: 16,
      outRing: 65536,
      inRing: 4096,
      bootId: 0x1122334455667788n,
      xenVersion: '4.17',
    },
  });
  const vm = Buffer.from(
    '02 07 0700 00112233445566778899aabbccddeeff 01000000 02000000 03000000'.replaceAll(' ', ''),
    'hex',
  );
  expect(decodeFromL1({ type: 2, slot: 3, generation: 9, body: vm })).toEqual({
    type: 'vm',
    vm: {
      slot: 3,
      generation: 9,
      state: 'silent',
      hooked: true,
      domid: 7,
      uuid: '00112233-4455-6677-8899-aabbccddeeff',
      doubtful: true,
      grown: false,
      evidence: [],
      outAcked: 1,
      outEnd: 2,
      inNext: 3,
    },
  });
});

test('decodeFrame refuses every single flipped bit', () => {
  fc.assert(
    fc.property(toL1, fc.nat(), (message, where) => {
      const { type, slot: to, generation, body } = encodeToL1(message);
      let payload = Buffer.alloc(0);
      new SlipDecoder(MAX_PAYLOAD, (bytes) => (payload = Buffer.from(bytes))).push(
        encodeFrame({ type, slot: to, generation, body }),
      );
      const bit = where % (payload.length * 8);
      payload[bit >> 3] = (payload[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeFrame(payload)).toBeUndefined();
    }),
  );
});

test('decoding hostile bodies never throws', () => {
  fc.assert(
    fc.property(u8, u8, u16, fc.uint8Array({ maxLength: 256 }), (type, to, generation, body) => {
      const frame = { type, slot: to, generation, body: Buffer.from(body) };
      decodeFromL1(frame);
      decodeToL1(frame);
      decodeFrame(Buffer.from(body));
    }),
    { numRuns: 2000 },
  );
});

test('HELLO of the hypervisor cannot smuggle control characters onto a terminal', () => {
  const body = Buffer.concat([Buffer.alloc(20), Buffer.from('4.17\x1b]0;x\x07\xff')]);
  const message = decodeFromL1({ type: 1, slot: 0xff, generation: 0, body });
  expect(message?.type === 'hello' && message.hello.xenVersion).toBe('4.17]0;x');
});

test('counters are named in the order of the protocol', () => {
  const values = Array.from({ length: 16 }, (_, index) => BigInt(index + 1));
  expect(vmCountersOf(values)).toMatchObject({
    exitsCom1: 1,
    bytesOut: 4,
    haltsCaptured: 10,
    vcpus: 16,
  });
  expect(globalCountersOf(values.slice(0, 12))).toMatchObject({
    framesIn: 1,
    resends: 8,
    uptimeNs: 12,
  });
  expect(vmCountersOf([7n]).vcpus).toBe(0);
});

test('encodeFrame refuses a body that no receiver would take', () => {
  expect(() => encodeFrame({ type: 1, slot: 0, generation: 0, body: Buffer.alloc(257) })).toThrow(
    RangeError,
  );
});
