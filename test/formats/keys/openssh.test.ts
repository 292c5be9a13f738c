import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import ssh2 from 'ssh2';
import { afterAll, describe, expect, it } from 'vitest';

import { generateEd25519, publicLine } from '../../../src/formats/keys/ed25519.js';
import { openSshPrivateKey } from '../../../src/formats/keys/openssh.js';

const directory = mkdtempSync(join(tmpdir(), 'vsb-openssh-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('openSshPrivateKey', () => {
  it('is read by ssh-keygen, which finds the same public key', () => {
    const key = generateEd25519();
    const file = join(directory, 'key');
    writeFileSync(file, openSshPrivateKey(key, 'a comment'), { mode: 0o600 });
    const found = execFileSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' }).trim();
    expect(found).toBe(`${publicLine(key.publicKey)} a comment`);
  });

  it('is read by ssh2, also where seed or public key begin with a zero', () => {
    const zero = Buffer.alloc(32);
    for (const key of [
      ...Array.from({ length: 64 }, generateEd25519),
      { seed: zero, publicKey: zero },
    ]) {
      const parsed = ssh2.utils.parseKey(openSshPrivateKey(key, 'c'));
      if (parsed instanceof Error) throw parsed;
      const line = `ssh-ed25519 ${parsed.getPublicSSH().toString('base64')}`;
      expect(line).toBe(publicLine(key.publicKey));
    }
  });

  it.each(['', '1', '1234567', '12345678'])('is padded for the comment "%s"', (comment) => {
    const parsed = ssh2.utils.parseKey(openSshPrivateKey(generateEd25519(), comment));
    expect(parsed).not.toBeInstanceOf(Error);
  });
});
