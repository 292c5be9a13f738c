import fc from 'fast-check';
import { expect, test } from 'vitest';

import { encodeSlip, SlipDecoder } from '../../src/formats/slip.js';

function decodeAll(
  chunks: readonly Uint8Array[],
  limit = 264,
): { packets: Buffer[]; decoder: SlipDecoder } {
  const packets: Buffer[] = [];
  const decoder = new SlipDecoder(limit, (payload) => packets.push(Buffer.from(payload)));
  for (const chunk of chunks) decoder.push(chunk);
  return { packets, decoder };
}

test('encodeSlip escapes END and ESC as RFC 1055 says', () => {
  const encoded = encodeSlip(Uint8Array.of(0x01, 0xc0, 0xdb, 0x02));
  expect([...encoded]).toEqual([0xc0, 0x01, 0xdb, 0xdc, 0xdb, 0xdd, 0x02, 0xc0]);
});

test('SlipDecoder gives back what was encoded, however the stream is cut', () => {
  const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 264 }), { maxLength: 8 });
  fc.assert(
    fc.property(payloads, fc.array(fc.nat(40), { minLength: 1 }), (packets, cuts) => {
      const stream = Buffer.concat(packets.map((packet) => encodeSlip(packet)));
      const chunks: Buffer[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const length = (cuts[i % cuts.length] ?? 0) + 1;
        chunks.push(stream.subarray(at, at + length));
        at += length;
      }
      const decoded = decodeAll(chunks);
      expect(decoded.packets.map((packet) => [...packet])).toEqual(packets.map((p) => [...p]));
      expect(decoded.decoder.counters).toEqual({ oversize: 0, badEscape: 0 });
    }),
  );
});

test('SlipDecoder drops an oversized packet, counts it once and takes the next one', () => {
  const { packets, decoder } = decodeAll([
    encodeSlip(Buffer.alloc(5000, 1)),
    encodeSlip(Buffer.from('next')),
  ]);
  expect(packets.map(String)).toEqual(['next']);
  expect(decoder.counters).toEqual({ oversize: 1, badEscape: 0 });
});

test('SlipDecoder drops a packet with a bad escape, also with one at its end', () => {
  const { packets, decoder } = decodeAll([
    Buffer.from([0xc0, 0x01, 0xdb, 0x41, 0x42, 0xc0]),
    Buffer.from([0xc0, 0x01, 0xdb, 0xc0]),
    encodeSlip(Buffer.from('next')),
  ]);
  expect(packets.map(String)).toEqual(['next']);
  expect(decoder.counters).toEqual({ oversize: 0, badEscape: 2 });
});

test('SlipDecoder never fails on garbage, and the packet after it survives', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (garbage) => {
      const { packets } = decodeAll([garbage, encodeSlip(Buffer.from('whole'))]);
      expect(packets.at(-1)?.toString()).toBe('whole');
    }),
  );
});
