import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { renderSshConfig } from '../../../src/console/client/ssh-config.js';
import {
  ensureKey,
  fingerprintOfLine,
  knownHostsLine,
  readKey,
} from '../../../src/formats/keys/key-files.js';

const run = promisify(execFile);
const keygen = '/usr/bin/ssh-keygen';
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-keys-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

test('ensureKey makes a private key once, readable by its owner only, and leaves nothing else behind', async () => {
  const path = join(directory, 'key');
  const made = await Promise.all(Array.from({ length: 5 }, () => ensureKey(path, 'vsbypass test')));
  const again = await ensureKey(path, 'other');
  expect(new Set([...made, again].map((pair) => pair.publicLine)).size).toBe(1);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(directory)).toEqual(['key']);
});

test.skipIf(!existsSync(keygen))(
  'OpenSSH reads the keys and agrees on their fingerprints',
  async () => {
    // Keys of all shapes: a leading zero byte must not shorten one.
    for (let i = 0; i < 10; i++) {
      const path = join(directory, `key${i}`);
      const { publicLine } = await ensureKey(path, 'c');
      const { stdout } = await run(keygen, ['-y', '-f', path]);
      expect(stdout.split(' ').slice(0, 2).join(' ').trim()).toBe(publicLine);
      const { stdout: listed } = await run(keygen, ['-l', '-f', path]);
      expect(listed.split(' ')[1]).toBe(fingerprintOfLine(publicLine));
    }
  },
);

test('readKey says what is wrong with a file', async () => {
  await expect(readKey(join(directory, 'none'))).rejects.toMatchObject({
    code: 'E_CONSOLE_KEY',
    exitCode: 7,
  });
  await writeFile(join(directory, 'junk'), 'junk');
  await expect(readKey(join(directory, 'junk'))).rejects.toMatchObject({ code: 'E_CONSOLE_KEY' });
  expect(() => fingerprintOfLine('ssh-ed25519 AAAA')).toThrow(
    expect.objectContaining({ code: 'E_CONSOLE_KEY' }),
  );
});

test('known_hosts and ssh_config name the gateway by its instance, each VM as a host', () => {
  expect(knownHostsLine('lab', 'ssh-ed25519 AAAA')).toBe('vsbypass-lab ssh-ed25519 AAAA\n');
  const text = renderSshConfig({
    instance: 'lab',
    vms: ['vm1', 'vm2'],
    host: '127.0.0.1',
    port: 2200,
    identityFile: '/a b/100%/id',
    knownHostsFile: '/k',
  });
  expect(text.match(/^Host .*$/gm)).toEqual(['Host vm1', 'Host vm2']);
  expect(text).toContain('  IdentityFile "/a b/100%%/id"\n');
  expect(text).toContain('  HostKeyAlias vsbypass-lab\n');
  expect(text).toContain('  StrictHostKeyChecking yes\n');
  expect(() =>
    renderSshConfig({
      instance: 'x',
      vms: [],
      host: 'h',
      port: 1,
      identityFile: 'a\nb',
      knownHostsFile: '/k',
    }),
  ).toThrow(RangeError);
});
