import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Encoding } from '../../src/contract/evidence.js';
import { needlesOf, newCanary, octal, placesOf } from '../../src/verify/canary.js';

const canary = newCanary();
const plain = Buffer.from(canary);
const reversed = Buffer.from(plain).reverse();
const surroundings = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));

/** The forms in which a canary is found in a byte string. */
function found(data: Buffer): Set<Encoding> {
  return new Set(
    needlesOf(canary)
      .filter((needle) => placesOf(needle, data).length > 0)
      .map((needle) => needle.encoding),
  );
}

function utf16be(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16();
}

describe('needlesOf', () => {
  const forms: readonly [Encoding, string, (before: Buffer, after: Buffer) => Buffer][] = [
    ['plain', 'plain', (before, after) => Buffer.concat([before, plain, after])],
    ['reversed', 'reversed', (before, after) => Buffer.concat([before, reversed, after])],
    ['hex', 'hex', (before, after) => hexOf(before, after)],
    ['hex', 'HEX', (before, after) => Buffer.from(hexOf(before, after).toString().toUpperCase())],
    [
      ...(['base64', 'base64 of something longer'] as const),
      (before, after) => Buffer.from(Buffer.concat([before, plain, after]).toString('base64')),
    ],
    [
      ...(['interleaved', 'UTF-16LE'] as const),
      (before, after) => Buffer.concat([before, Buffer.from(canary, 'utf16le'), after]),
    ],
    [
      ...(['interleaved', 'UTF-16BE'] as const),
      (before, after) => Buffer.concat([before, utf16be(canary), after]),
    ],
    [
      ...(['interleaved, reversed', 'UTF-16LE, reversed'] as const),
      (before, after) =>
        Buffer.concat([before, Buffer.from(reversed.toString(), 'utf16le'), after]),
    ],
  ];
  const hexOf = (before: Buffer, after: Buffer): Buffer =>
    Buffer.from(Buffer.concat([before, plain, after]).toString('hex'));

  it.each(forms)('finds a canary as %s (%s) in any surroundings', (encoding, _, make) => {
    fc.assert(
      fc.property(surroundings, surroundings, (before, after) => {
        expect(found(make(before, after))).toContain(encoding);
      }),
    );
  });

  it('finds a canary with any byte after each of its own', () => {
    const fillers = fc.uint8Array({ minLength: plain.length, maxLength: plain.length });
    fc.assert(
      fc.property(fillers, surroundings, (between, before) => {
        const woven = [...plain].flatMap((byte, index) => [byte, between[index] ?? 0]);
        expect(found(Buffer.concat([before, Buffer.from(woven)]))).toContain('interleaved');
      }),
    );
  });

  it('finds nothing in other data', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(found(Buffer.from(bytes)).size).toBe(0);
      }),
    );
    expect(found(Buffer.from(`${canary.slice(1)}${canary.slice(0, -1)}`)).size).toBe(0);
  });
});

describe('octal', () => {
  it('is in none of the forms that count', () => {
    expect(found(Buffer.from(octal(canary))).size).toBe(0);
  });

  it('stands for the canary', () => {
    const bytes = octal(canary)
      .split('\\')
      .slice(1)
      .map((digits) => parseInt(digits, 8));
    expect(Buffer.from(bytes).toString()).toBe(canary);
  });
});

describe('newCanary', () => {
  it('gives another one each time', () => {
    expect(new Set(Array.from({ length: 100 }, newCanary)).size).toBe(100);
    expect(canary).toMatch(/^[a-z2-9]{16}$/);
  });
});
