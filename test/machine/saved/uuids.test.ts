import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { UuidFinder, encode, forms, type Piece } from '../../../src/machine/saved/uuids.js';
import { l2Uuid, vmUuid } from '../../../src/state/record.js';

const uuids = { '': l2Uuid('one'), vm1: vmUuid('one', 'vm1'), vm2: vmUuid('one', 'vm2') };

/** @param sizes of what comes at once */
function cut(data: Buffer, sizes: readonly number[] = [data.length]): Piece[] {
  const finder = new UuidFinder(uuids);
  const pieces: Piece[] = [];
  let at = 0;
  for (let turn = 0; at < data.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    pieces.push(...finder.push(data.subarray(at, at + size)));
    at += size;
  }
  return [...pieces, ...finder.end()];
}
const places = (pieces: readonly Piece[]): unknown[] =>
  pieces.flatMap(({ place }) => (place === undefined ? [] : [place]));

describe('vmUuid', () => {
  it('is another for each user VM and each instance, of version 8', () => {
    const all = [...Object.values(uuids), vmUuid('two', 'vm1'), l2Uuid('two')];
    expect(new Set(all).size).toBe(all.length);
    for (const uuid of all) expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
  });
});

describe('UuidFinder', () => {
  it('finds each form of each, however the stream is cut, and leaves all bytes as they are', () => {
    const owner = fc.constantFrom(...(['', 'vm1', 'vm2'] as const));
    const part = fc.tuple(fc.uint8Array({ maxLength: 200 }), owner, fc.constantFrom(...forms));
    const sizes = fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), sizes, (parts, some) => {
        const data = Buffer.concat(
          parts.flatMap(([noise, name, form]) => [
            Buffer.from(noise),
            Buffer.from('\n"'),
            encode(uuids[name], form),
          ]),
        );
        const pieces = cut(data, some);
        expect(Buffer.concat(pieces.map(({ bytes }) => bytes)).equals(data)).toBe(true);
        expect(places(pieces)).toEqual(parts.map(([, name, form]) => ({ name, form })));
        for (const { bytes, place } of pieces) {
          if (place === undefined) continue;
          expect(bytes).toEqual(encode(uuids[place.name as keyof typeof uuids], place.form));
        }
      }),
    );
  });

  it.each([
    ['a node of XenStore', `/vm/${uuids.vm1}`],
    ["the list of such a node's children", `${'0'.repeat(12)}\0${uuids.vm1}`],
    ['a file', `userdata-d.1.${uuids.vm1}.libxl-json`],
  ])('leaves the name of %s', (_, text) => {
    expect(places(cut(Buffer.from(text)))).toEqual([]);
  });

  it('writes the first fields of SMBIOS the other way round', () => {
    const bytes = encode('00112233-4455-6677-8899-aabbccddeeff', 'smbios');
    expect(bytes.toString('hex')).toBe('33221100554477668899aabbccddeeff');
  });
});
