/**
 * Canaries: random strings that exist nowhere but where the tool has put them, and the forms in which
 * they would still count as found.
 */
import { randomInt } from 'node:crypto';

import type { Encoding } from '../contract/evidence.js';

/** Letters and digits that survive any terminal; none of them ends a line or is echoed as something else. */
const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';
/** 16 characters of 32: 80 bits, so no hit is chance. */
const canaryLength = 16;

export function newCanary(): string {
  return Array.from({ length: canaryLength }, () => alphabet[randomInt(alphabet.length)]).join('');
}

/** A byte string to look for. */
export interface Needle {
  readonly encoding: Encoding;
  readonly bytes: Buffer;
  /** 2: what counts is every other byte. */
  readonly step: 1 | 2;
}

/** All forms of a canary (ASCII). */
export function needlesOf(canary: string): Needle[] {
  const plain = Buffer.from(canary, 'latin1');
  const reversed = Buffer.from(plain).reverse();
  const hex = plain.toString('hex');
  return [
    { encoding: 'plain', bytes: plain, step: 1 },
    { encoding: 'reversed', bytes: reversed, step: 1 },
    { encoding: 'hex', bytes: Buffer.from(hex), step: 1 },
    { encoding: 'hex', bytes: Buffer.from(hex.toUpperCase()), step: 1 },
    ...[0, 1, 2].map((before): Needle => {
      return { encoding: 'base64', bytes: base64Core(plain, before), step: 1 };
    }),
    { encoding: 'interleaved', bytes: plain, step: 2 },
    { encoding: 'interleaved, reversed', bytes: reversed, step: 2 },
  ];
}

/**
 * The characters of a base64 text (RFC 4648) that depend on nothing but `bytes`, when a multiple of three
 * bytes and `before` more come first.
 */
function base64Core(bytes: Buffer, before: number): Buffer {
  const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
  const first = Math.ceil((before * 8) / 6);
  const end = Math.floor(((before + bytes.length) * 8) / 6);
  return Buffer.from(text.slice(first, end));
}

/** Where a needle begins in a byte string. */
export function placesOf({ bytes, step }: Needle, data: Buffer): number[] {
  const places: number[] = [];
  if (step === 1) {
    for (let at = data.indexOf(bytes); at >= 0; at = data.indexOf(bytes, at + 1)) places.push(at);
    return places;
  }
  const last = data.length - ((bytes.length - 1) * step + 1);
  for (let at = 0; at <= last; at++) {
    if (bytes.every((byte, index) => data[at + index * step] === byte)) places.push(at);
  }
  return places;
}

/** The canary as a word for printf(1): typed like this it is in none of the forms that count. */
export function octal(canary: string): string {
  return [...Buffer.from(canary, 'latin1')]
    .map((byte) => `\\${byte.toString(8).padStart(3, '0')}`)
    .join('');
}
