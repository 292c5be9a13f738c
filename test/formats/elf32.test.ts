import { describe, expect, it } from 'vitest';

import { loadedSegment } from '../../src/formats/elf32.js';

const note = 4;
const load = 1;

/** A program with such segments. */
function program(types: readonly number[]): Buffer {
  const head = Buffer.alloc(52 + 32 * types.length);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]).copy(head);
  head.writeUInt32LE(0x200010, 24);
  head.writeUInt32LE(52, 28);
  head.writeUInt16LE(32, 42);
  head.writeUInt16LE(types.length, 44);
  types.forEach((type, index) => {
    const fields = [type, 0x80, 0xc0200000, 0x200000, 0x1234, 0x5678];
    fields.forEach((value, field) => head.writeUInt32LE(value, 52 + 32 * index + 4 * field));
  });
  return head;
}

describe('loadedSegment', () => {
  it('is the one that is loaded, at its physical address', () => {
    expect(loadedSegment(program([note, load]))).toEqual({
      entry: 0x200010,
      offset: 0x80,
      physicalAddress: 0x200000,
      bytes: 0x1234,
    });
  });

  it.each([
    ['another file', Buffer.from('#!/bin/sh\n'.repeat(10)), /no 32-bit ELF/],
    ['a file that ends before its headers do', program([load]).subarray(0, 60), /not where/],
    ['no segment to load', program([note]), /0 loadable segments/],
    ['two of them', program([load, load]), /2 loadable segments/],
  ])('refuses %s', (_, head, reason) => {
    expect(() => loadedSegment(head)).toThrow(reason);
  });
});
