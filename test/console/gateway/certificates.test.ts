/** What OpenSSH brings that is no key file: certificates of an authority, and an agent. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { connectGateway } from '../../../src/console/client/gateway-client.js';
import {
  fingerprintOfLine,
  generateKey,
  knownHostsLine,
  type KeyPair,
} from '../../../src/formats/keys/key-files.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';

const run = promisify(execFile);
const { clientKey, hostKey, strangerKey } = ConsoleRig;

const programs = ['/usr/bin/ssh', '/usr/bin/ssh-keygen', '/usr/bin/ssh-agent'];

describe.skipIf(!programs.every((program) => existsSync(program)))('with OpenSSH', () => {
  let rig: ConsoleRig;
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vsb-ca-'));
    for (const name of ['ca', 'user', 'otherca']) await keygen('-t', 'ed25519', '-f', file(name));
    const authority = fingerprintOfLine(await readFile(file('ca.pub'), 'utf8'));
    rig = await ConsoleRig.start({ authorities: [authority] });
    await writeFile(file('known'), knownHostsLine('test', hostKey.publicLine));
  });

  afterEach(async () => {
    await rig.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const file = (name: string): string => join(directory, name);

  async function keygen(...words: string[]): Promise<void> {
    await run('/usr/bin/ssh-keygen', ['-q', ...(words[0] === '-t' ? ['-N', ''] : []), ...words]);
  }

  /** Signs the user's key; the certificate is where OpenSSH looks for it. */
  async function sign(ca: string, ...words: string[]): Promise<void> {
    await keygen('-s', file(ca), '-I', 'carol@example', '-z', '7', ...words, file('user.pub'));
  }

  function sshWords(...words: string[]): string[] {
    const options = [
      `UserKnownHostsFile=${file('known')}`,
      'HostKeyAlias=vsbypass-test',
      'StrictHostKeyChecking=yes',
      'IdentitiesOnly=yes',
      `IdentityFile=${file('user')}`,
      'LogLevel=ERROR',
    ].flatMap((option) => ['-o', option]);
    return ['-F', 'none', ...options, '-p', String(rig.gateway.port), '-l', ...words];
  }

  async function ssh(user: string, verb: string): Promise<string> {
    const { stdout } = await run('/usr/bin/ssh', sshWords(user, '127.0.0.1', verb));
    return stdout;
  }

  /** An SSH agent that has these keys. */
  async function withAgent(
    keys: readonly KeyPair[],
    use: (env: NodeJS.ProcessEnv) => Promise<void>,
  ): Promise<void> {
    const agent = spawn('/usr/bin/ssh-agent', ['-D', '-a', file('agent')], { stdio: 'ignore' });
    try {
      await eventually(() => expect(existsSync(file('agent'))).toBe(true));
      const env = { ...process.env, SSH_AUTH_SOCK: file('agent') };
      const names = keys.map((_, index) => file(`agent-key-${index}`));
      for (const [index, { privatePem }] of keys.entries()) {
        await writeFile(names[index] ?? '', privatePem, { mode: 0o600 });
      }
      await run('/usr/bin/ssh-add', ['-q', ...names], { env });
      await use(env);
    } finally {
      const ended = once(agent, 'exit');
      agent.kill();
      await ended;
    }
  }

  const denied = { stderr: expect.stringContaining('Permission denied') as string };

  test('a certificate of a trusted authority opens the VMs that are its principals', async () => {
    await expect(ssh('vm1', 'who')).rejects.toMatchObject(denied);
    await sign('ca', '-n', 'vm1', '-V', '-1m:+5m');
    expect(await ssh('vm1', 'break t')).toBe("BREAK and 't' sent\n");
    await rig.vm.requested('break');
    expect(rig.events).toContainEqual(
      expect.objectContaining({ type: 'break', key: 'carol@example (certificate 7)' }),
    );
    await expect(ssh('vm2', 'who')).rejects.toMatchObject(denied);
  });

  test('a principal can be one that looks on only', async () => {
    await sign('ca', '-n', 'watch:vm1,vm2');
    expect(await ssh('vm1', 'who')).toContain('nobody is at the console');
    await expect(ssh('vm1', 'break')).rejects.toMatchObject({ code: 7 });
  });

  test.each([
    ['of another authority', 'otherca', ['-n', 'vm1']],
    ['without principals', 'ca', []],
    ['that has ended', 'ca', ['-n', 'vm1', '-V', '-10m:-5m']],
    ['that is not valid yet', 'ca', ['-n', 'vm1', '-V', '+5m:+10m']],
    ['with a forced command', 'ca', ['-n', 'vm1', '-O', 'force-command=who']],
    ['bound to addresses', 'ca', ['-n', 'vm1', '-O', 'source-address=127.0.0.0/8']],
    ['for hosts', 'ca', ['-h', '-n', 'vm1']],
  ] as const)('a certificate %s opens nothing', async (_, ca, words) => {
    await sign(ca, ...words);
    await expect(ssh('vm1', 'who')).rejects.toMatchObject(denied);
  });

  test('a certificate that was changed, or is used with another key, opens nothing', async () => {
    await sign('ca', '-n', 'vm2');
    const [type = '', base64 = ''] = (await readFile(file('user-cert.pub'), 'utf8')).split(' ');
    const blob = Buffer.from(base64, 'base64');
    blob.write('vm1', blob.indexOf('vm2'));
    await writeFile(file('user-cert.pub'), `${type} ${blob.toString('base64')}\n`);
    await expect(ssh('vm1', 'who')).rejects.toMatchObject(denied);
    await sign('ca', '-n', 'vm1');
    await writeFile(file('user'), strangerKey.privatePem);
    await expect(ssh('vm1', 'who')).rejects.toMatchObject(denied);
  });

  test('keys of an SSH agent work, with our client and with OpenSSH', async () => {
    await withAgent([clientKey], async (env) => {
      const target = rig.target({ agent: file('agent'), privateKeyPem: undefined });
      const connection = await connectGateway(target);
      expect(String(await connection.ask('who'))).toMatch(/^types {4}alice/);
      connection.destroy();
      const words = sshWords('vm1', '-o', 'IdentitiesOnly=no', '127.0.0.1', 'status');
      words.splice(words.indexOf('IdentitiesOnly=yes') - 1, 2);
      expect((await run('/usr/bin/ssh', words, { env })).stdout).toContain('VM vm1: running');
    });
  });

  test('an agent may have many other keys; too many are an error of the login, which says what helps', async () => {
    const others = Array.from({ length: 40 }, (_, index) => generateKey(`other${index}`));
    const target = () => rig.target({ agent: file('agent'), privateKeyPem: undefined });
    await withAgent([...others.slice(0, 7), clientKey], async () => {
      (await connectGateway(target())).destroy();
    });
    expect(rig.events.map(({ type }) => type)).not.toContain('auth-failed');
    await withAgent([...others, clientKey], async () => {
      await expect(connectGateway(target())).rejects.toMatchObject({
        ...{ code: 'E_CONSOLE_AUTH', exitCode: 7 },
        hint: expect.stringContaining('--identity') as string,
      });
    });
    await eventually(() =>
      expect(rig.events).toContainEqual(
        expect.objectContaining({ type: 'auth-failed', attempts: 33 }),
      ),
    );
  });
});
