import { createPrivateKey, createPublicKey } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { generateDropbearKey, publicLineOf } from '../../../src/formats/keys/dropbear.js';

describe('generateDropbearKey', () => {
  it('writes the type, 64, seed and public key, as dropbearkey does', () => {
    const key = generateDropbearKey();
    expect(key.length).toBe(83);
    expect(key.toString('latin1', 0, 19)).toBe('\0\0\0\x0bssh-ed25519\0\0\0\x40');
  });

  it('holds a public key that belongs to the seed', () => {
    const key = generateDropbearKey();
    // RFC 8410: the fixed prefix of a PKCS #8 Ed25519 key, then the seed.
    const pkcs8 = Buffer.concat([
      Buffer.from('302e020100300506032b657004220420', 'hex'),
      key.subarray(19, 51),
    ]);
    const derived = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
    expect(derived.export({ format: 'jwk' }).x).toBe(key.subarray(51).toString('base64url'));
  });
});

describe('publicLineOf', () => {
  it('gives the line that dropbearkey printed for a key of its own', () => {
    const key = Buffer.concat([
      Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x40', 'latin1'),
      Buffer.alloc(32),
      Buffer.from('a2b3bc721d3d9c269d1f68aeba8f34bbf9f65f1a8edef193cf6c3eae9a94bbe4', 'hex'),
    ]);
    expect(publicLineOf(key)).toBe(
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKKzvHIdPZwmnR9orrqPNLv59l8ajt7xk89sPq6alLvk',
    );
  });

  it('refuses anything else', () => {
    expect(() => publicLineOf(Buffer.alloc(83))).toThrow(RangeError);
    expect(() => publicLineOf(Buffer.from('x'))).toThrow(RangeError);
  });
});
