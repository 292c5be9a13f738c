/** What a machine that was resumed gets anew: its clock, randomness, keys and passwords. */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { loginSteps, renewalScript, renewalSteps } from '../../../src/machine/saved/renew.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-renew-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('renewal', () => {
  const seed = Buffer.from('the seed');

  /** Runs what a layer's shell would, with this folder as its root; and what it sets the clock to and stirs in. */
  async function inLayer(script: string): Promise<string> {
    const programs = join(directory, 'programs');
    for (const folder of ['programs', 'etc/dropbear', 'etc/vsbypass', 'root/.ssh'])
      await mkdir(join(directory, folder), { recursive: true });
    const listens = (inode: number): string =>
      `echo "0: 00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 ${inode} 1" >${directory}/tcp`;
    spawnSync('sh', ['-c', listens(7)]);
    const say = (what: string): string => `#!/bin/sh\necho "${what}" >>${directory}/calls\n`;
    await writeFile(join(programs, 'date'), say('date $*'), { mode: 0o700 });
    await writeFile(join(programs, 'reseed'), say('reseed $(cat)'), { mode: 0o700 });
    const moved = script
      .replaceAll('/usr/lib/vsbypass/reseed', `${programs}/reseed`)
      .replaceAll(/(?<=[<>]'?)\/(?=etc|root)/g, `${directory}/`)
      .replaceAll('/proc/net/tcp', `${directory}/tcp`)
      // Another one listens as soon as the first has gone.
      .replace('kill $listener', `echo listener $listener; (sleep 0.2; ${listens(8)}) &`);
    const { status, stdout, stderr } = spawnSync('sh', ['-c', "cat | sh -c '. /proc/self/fd/0'"], {
      input: moved,
      env: { PATH: `${programs}:${process.env['PATH'] ?? ''}` },
    });
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
    return stdout.toString();
  }

  it("sets clock, seed, keys and files of a managed layer, and names the parent of the shell's", async () => {
    const hostKey = Buffer.from([0, 1, 0x27, 0x5c, 0x25, 0x0a, 0xff]);
    const keys = { hostKey, authorizedKey: 'ssh-ed25519 AAAA' };
    const overlay = {
      path: '/etc/vsbypass/overlay.cpio',
      content: Buffer.from("%s\\\0'\n\xff", 'latin1'),
    };
    const output = await inLayer(renewalScript(keys, [overlay], seed, 1_800_000_000));
    expect(output).toBe(`listener ${process.pid}\nrenewed\n`);
    expect(await readFile(join(directory, 'tcp'), 'utf8')).toContain(' 8 1\n');
    const content = async (path: string): Promise<Buffer> => await readFile(join(directory, path));
    expect(await content('etc/dropbear/dropbear_ed25519_host_key')).toEqual(hostKey);
    expect(await content(overlay.path)).toEqual(overlay.content);
    for (const path of ['etc/vsbypass/authorized_keys', 'root/.ssh/authorized_keys'])
      expect((await content(path)).toString()).toBe('ssh-ed25519 AAAA\n');
    expect((await content('calls')).toString()).toBe(
      `date -s @1800000000\nreseed ${seed.toString('hex')}\n`,
    );
  });

  it('changes the password of root in a user VM, and of nobody else', async () => {
    await mkdir(join(directory, 'etc'), { recursive: true });
    const shadow = (hash: string): string =>
      `root:${hash}:19700::::::\nme:$6$x$/y.:1:0:99999:7:::\n`;
    await writeFile(join(directory, 'etc/shadow'), shadow('$6$rounds=1000$old$1/.'));
    const passwordHash = '$6$rounds=1000$new$2/.';
    const steps = renewalSteps({ passwordHash, seed, seconds: 1_800_000_000 }, 1000);
    const typed = steps[0]?.type === 'send' ? steps[0].bytes.toString() : '';
    expect(await inLayer(typed.replaceAll('\r', '\n'))).toBe('renewed-42\n');
    expect(await readFile(join(directory, 'etc/shadow'), 'utf8')).toBe(shadow(passwordHash));
    expect(await readFile(join(directory, 'calls'), 'utf8')).toBe(
      `date -s @1800000000\nreseed ${seed.toString('hex')}\n`,
    );
  });

  it('believes nothing of a console before its canary has come back', () => {
    const steps = loginSteps('canary-1', 'old', 1000);
    expect(steps[0]).toMatchObject({ type: 'send', bytes: Buffer.from('canary-1') });
    expect(steps[1]).toMatchObject({ type: 'expect', pattern: /canary-1/ });
  });
});
