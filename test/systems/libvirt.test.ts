/** Debian with libvirt as L2: its operator defines VMs with virsh, and each has a secure console. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { exists } from '../../src/base/files.js';
import { CommandLine, type Status } from '../e2e/command-line.js';
import { patientMs, patientSeconds } from '../e2e/limits.js';

const maker = fileURLToPath(new URL('debian-libvirt', import.meta.url));
/** Known to that script. */
const web = '3c0f8a52-8f2b-4d0e-9c55-51d6c7b0e001';
const database = 'b7e23a9d-1d54-4c3f-8a60-0d2f4b9e5002';
const shell = String.raw`\(initramfs\) $`;

let cli: CommandLine;
let disk: string;
/** Of root's there. */
let key: string;
let digest: string;

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function up(l2: object): Promise<void> {
  const config = join(cli.directory, 'vsbypass.json');
  await writeFile(
    config,
    JSON.stringify({
      l2: { disk: { path: disk, format: 'qcow2' }, ...l2 },
      consoles: [{ uuid: database, name: 'accounts' }],
    }),
  );
  await cli.must(['up', '--config', config], { timeoutMs: 1_800_000 });
}

/** The VM's shell answers on the secure console, once the VM is there. */
async function answers(vm: string, name: string): Promise<void> {
  await expect
    .poll(async () => (await cli.json<Status>(['status'])).vms, { timeout: patientMs(600_000) })
    .toContainEqual(expect.objectContaining({ name, state: 'running', hooked: true }));
  // Its shell asks the terminal where the cursor is, behind the prompt.
  const wait = ['--replay', 'lines', '--strip-ansi', '--timeout', patientSeconds(300)];
  await cli.must(['console', vm, ...wait, '--expect', shell], { timeoutMs: 400_000 });
  const command = ['--prompt', shell, '--', 'cat /proc/cmdline'];
  const options = { timeoutMs: 200_000 };
  expect(await cli.must(['console', 'run', vm, ...command], options)).toContain('break=premount');
}

/** Made once for each version of its maker: it takes minutes. */
async function makeDisk(): Promise<{ disk: string; key: string }> {
  const version = (await digestOf(maker)).slice(0, 16);
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const folder = join(cache, 'vsbypass-test', `debian-libvirt-${version}`);
  const [made, key] = [join(folder, 'disk.qcow2'), join(folder, 'key')];
  if (await exists(made)) return { disk: made, key };
  await mkdir(folder, { recursive: true });
  await rm(key, { force: true });
  await cli.mustProgram('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const unfinished = join(cli.directory, 'disk.qcow2');
  await cli.mustProgram(maker, [unfinished, `${key}.pub`], { timeoutMs: 1_200_000 });
  await cli.mustProgram('mv', [unfinished, made], { timeoutMs: 1_200_000 });
  return { disk: made, key };
}

beforeAll(async () => {
  cli = await CommandLine.createWithImages();
  ({ disk, key } = await makeDisk());
  digest = await digestOf(disk);
});

afterAll(async () => {
  await cli.dispose();
});

describe('without any access to it', () => {
  beforeAll(async () => await up({}));
  afterAll(async () => void (await cli.must(['down'])));

  it('names its VMs by the table of the configuration, else by their UUIDs', async () => {
    await expect
      .poll(async () => (await cli.json<Status>(['status'])).vms, { timeout: 1_200_000 })
      .toMatchObject([
        { name: 'accounts', state: 'running', hooked: true, uuid: database },
        { name: 'vm-3c0f8a52', state: 'running', hooked: true, uuid: web },
      ]);
  });

  it('has a secure console for each, by name and by the beginning of its UUID', async () => {
    await answers('accounts', 'accounts');
    await answers('3c0f8a52-8f2b', 'vm-3c0f8a52');
  });

  it.each(['accounts', web])('proves by L1 that the console of %s is not L2’s', async (vm) => {
    const proof = await cli.json<{ l1: { accesses: number }; shadowBytes: number }>(['proof', vm]);
    expect(proof).toMatchObject({ l1: { hooked: true } });
    expect(proof.shadowBytes).toBeGreaterThan(1000);
    expect(proof.l1.accesses).toBeGreaterThan(proof.shadowBytes);
  });

  it('refuses what needs access, with the reason', async () => {
    for (const words of [['vm', 'list'], ['verify', 'accounts'], ['stock']]) {
      const { code, stderr } = await cli.run(words);
      expect([words, code, stderr]).toEqual([words, 2, expect.stringContaining('E_L2_OWN')]);
    }
    const { code, stderr } = await cli.run(['l2', 'shell', '--', 'true']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('l2')]);
  });
});

describe('with a key of its root', () => {
  beforeAll(async () => await up({ ssh: { key } }));
  afterAll(async () => void (await cli.must(['down'])));

  it('has run both VMs, and seen nothing on their serial ports', async () => {
    await answers('accounts', 'accounts');
    await answers(web, 'vm-3c0f8a52');
    const shellOf = async (command: string): Promise<string> =>
      await cli.must(['l2', 'shell', command], { timeoutMs: 200_000 });
    expect(await shellOf('virsh list --name')).toMatch(/database[^]*web|web[^]*database/);
    expect(await shellOf('cat /var/log/libvirt/qemu/*-serial.log | wc -c')).toBe('0\n');
  });
});

it('has left the disk as it was, and nothing beside it', async () => {
  expect(await digestOf(disk)).toBe(digest);
  const names = await readdir(cli.directory, { recursive: true });
  expect(names.filter((name) => name.endsWith('.overlay'))).toEqual([]);
  expect(await cli.processes()).toEqual([]);
});
