import { execFileSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { generatePassword, hashPassword } from '../../src/host/passwords.js';

describe('generatePassword', () => {
  it('gives 16 characters that cannot be mistaken for each other', () => {
    for (let round = 0; round < 200; round++) {
      expect(generatePassword()).toMatch(/^[346-9a-km-np-zA-HJ-NP-RT-Y]{16}$/);
    }
  });
});

describe('hashPassword', () => {
  it('makes the hash that openssl makes again from its salt', async () => {
    const hash = await hashPassword('pässword');
    expect(hash).toMatch(/^\$6\$rounds=1000\$/);
    const salt = hash.split('$').slice(2, 4).join('$');
    const again = execFileSync('openssl', ['passwd', '-6', '-salt', salt, '-stdin'], {
      input: 'pässword\n',
      encoding: 'utf8',
    }).trim();
    expect(again).toBe(hash);
  });

  it('says which package is missing', async () => {
    await expect(hashPassword('x', { program: '/does/not/exist' })).rejects.toMatchObject({
      code: 'E_PACKAGE_MISSING',
      hint: 'apt-get install openssl',
    });
  });
});
