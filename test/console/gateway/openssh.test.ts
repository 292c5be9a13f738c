/** Stock OpenSSH, by the file that `ssh-config` writes: the console, and the keys of both sides. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { renderSshConfig } from '../../../src/console/client/ssh-config.js';
import { knownHostsLine } from '../../../src/formats/keys/key-files.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';

const sshPath = '/usr/bin/ssh';
const run = promisify(execFile);
const { hostKey, clientKey, strangerKey } = ConsoleRig;

let rig: ConsoleRig;

beforeEach(async () => {
  rig = await ConsoleRig.start();
});

afterEach(async () => {
  await rig.stop();
});

describe.skipIf(!existsSync(sshPath))('stock OpenSSH', () => {
  let directory: string;
  let config: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vsb ssh-'));
    config = join(directory, 'config');
    await writeConfig(hostKey.publicLine, clientKey.privatePem);
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  async function writeConfig(hostLine: string, privatePem: string): Promise<void> {
    const identityFile = join(directory, 'id "x"');
    const knownHostsFile = join(directory, 'known_hosts');
    await writeFile(identityFile, privatePem);
    await chmod(identityFile, 0o600);
    await writeFile(knownHostsFile, knownHostsLine('test', hostLine));
    const vms = ['vm1', 'vm2'];
    const port = rig.gateway.port;
    await writeFile(
      config,
      renderSshConfig({
        instance: 'test',
        vms,
        host: '127.0.0.1',
        port,
        identityFile,
        knownHostsFile,
      }),
    );
  }

  test('gets the console, types into it, sends a BREAK with ~B and detaches with ~.', async () => {
    rig.vm.print('login: ');
    const ssh = spawn(sshPath, ['-F', config, 'vm1'], { stdio: 'pipe' });
    let out = '';
    ssh.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
    await eventually(() => expect(out).toBe('login: '));
    ssh.stdin.write('root\r');
    expect(String(await rig.vm.inputReached(5))).toBe('root\r');
    ssh.stdin.write('~B');
    await rig.vm.requested('break');
    ssh.stdin.write('x\r');
    await rig.vm.inputReached(7);
    ssh.stdin.write('~.');
    await once(ssh, 'close');
    await eventually(() => expect(rig.gateway.sessions()).toEqual([]));
    expect(String(rig.vm.input)).toBe('root\rx\r');
  });

  test('is told of an unknown VM, and refused a command', async () => {
    await expect(run(sshPath, ['-F', config, 'vm2'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no VM is known as 'vm2'") as string,
    });
    await expect(run(sshPath, ['-F', config, 'vm1', 'id'])).rejects.toMatchObject({
      stderr: expect.stringContaining('request failed') as string,
    });
  });

  test('refuses to talk when the host key is another one, and is refused with another key', async () => {
    await writeConfig(strangerKey.publicLine, clientKey.privatePem);
    await expect(run(sshPath, ['-F', config, 'vm1'])).rejects.toMatchObject({
      stderr: expect.stringContaining('Host key verification failed') as string,
    });
    await writeConfig(hostKey.publicLine, strangerKey.privatePem);
    await expect(run(sshPath, ['-F', config, 'vm1'])).rejects.toMatchObject({
      stderr: expect.stringContaining('Permission denied (publickey)') as string,
    });
  });

  test.each([
    ['rsa', ['-b', '3072']],
    ['ecdsa', ['-b', '256']],
  ])('logs in with an %s key of its own making', async (type, options) => {
    const file = join(directory, type);
    await run('/usr/bin/ssh-keygen', [
      '-q',
      '-t',
      type,
      ...options,
      '-N',
      '',
      '-C',
      `bob ${type}`,
      '-f',
      file,
    ]);
    await rig.startGateway({ authorizedKeys: [await readFile(`${file}.pub`, 'utf8')] });
    await writeConfig(hostKey.publicLine, await readFile(file, 'utf8'));
    rig.vm.print('hello');
    await eventually(() => expect(rig.hub.vm('vm1')?.history.end).toBe(5));
    const ssh = spawn(sshPath, ['-F', config, 'vm1'], { stdio: 'pipe' });
    const [out] = (await once(ssh.stdout, 'data')) as [Buffer];
    expect(String(out)).toBe('hello');
    expect(rig.gateway.sessions()).toMatchObject([{ key: `bob ${type}` }]);
    ssh.stdin.end();
    expect(await once(ssh, 'close')).toEqual([0, null]);
  });
});
