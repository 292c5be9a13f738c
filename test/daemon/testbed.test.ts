import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { identifyProcess, isAlive } from '../../src/base/process-identity.js';
import { parseConfig } from '../../src/config/load.js';
import { Testbed } from '../../src/daemon/testbed.js';
import type { InstancePaths } from '../../src/state/paths.js';
import { readProcesses } from '../../src/state/record.js';
import { tcgCpuModel } from '../../src/host/cpu-model.js';
import { temporaryInstance } from '../rig/temporary-instance.js';

let directory: string;
let paths: InstancePaths;
let testbed: Testbed;
const path = process.env['PATH'];

beforeEach(async () => {
  ({ directory, paths } = await temporaryInstance());
  for (const file of ['xen', 'vmlinux', 'initrd', 'l2.img']) {
    await writeFile(join(directory, file), file.padEnd(512));
  }
  const self = await identifyProcess(process.pid);
  if (self === undefined) throw new Error('a process knows itself');
  testbed = new Testbed(paths, self, () => undefined);
});
afterEach(async () => {
  await testbed.down();
  process.env['PATH'] = path;
  await rm(directory, { recursive: true, force: true });
});

/** Puts a shell script in the place of QEMU. */
async function fakeQemu(script: string): Promise<void> {
  const bin = join(directory, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'qemu-system-x86_64'), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, 'qemu-system-x86_64'), 0o755);
  process.env['PATH'] = `${bin}:${path}`;
}

async function up(signal = new AbortController().signal, patience = 1): Promise<unknown> {
  return await testbed.up(
    {
      config: { ...parseConfig('{}', 'f'), patience },
      accel: { accel: 'tcg', vendor: 'amd', why: 'a test', cpu: tcgCpuModel() },
      images: { xen: directory, l1: directory, l2: directory },
      keepFailed: false,
      warm: { must: false, keep: false },
    },
    signal,
    () => undefined,
  );
}

async function expectNothingLeft(): Promise<void> {
  expect(testbed.state).toBe('stopped');
  expect((await readProcesses(paths)).qemu).toBeUndefined();
  expect(existsSync(paths.bootDir)).toBe(false);
}

describe('Testbed.up', () => {
  it('tells of a QEMU that ends at once, and leaves nothing', async () => {
    await fakeQemu('echo "no such machine" >&2; exit 1');
    await expect(up()).rejects.toMatchObject({ exitCode: 4, layer: 'L0' });
    expect(await readFile(paths.qemuLog, 'utf8')).toContain('no such machine');
    await expectNothingLeft();
  });

  it('ends a QEMU that never speaks QMP', async () => {
    await fakeQemu('exec sleep 60');
    await expect(up(undefined, 0.01)).rejects.toMatchObject({
      code: 'E_LAYER_TIMEOUT',
      details: expect.objectContaining({ phase: 'qemu' }) as unknown,
    });
    await expectNothingLeft();
  });

  it('ends QEMU when its client goes away', async () => {
    await fakeQemu('exec sleep 60');
    const abort = new AbortController();
    const booting = up(abort.signal);
    await expect.poll(async () => (await readProcesses(paths)).qemu).toBeDefined();
    const { qemu } = await readProcesses(paths);
    abort.abort(new VsbError('E_INTERRUPTED', 'gone'));
    await expect(booting).rejects.toMatchObject({ code: 'E_INTERRUPTED' });
    expect(qemu !== undefined && (await isAlive(qemu))).toBe(false);
    await expectNothingLeft();
  });

  it('is ended by a down of somebody else', async () => {
    await fakeQemu('exec sleep 60');
    const booting = up();
    const failed = expect(booting).rejects.toMatchObject({ code: 'E_TERMINATED' });
    await testbed.down();
    await failed;
    await expectNothingLeft();
  });

  it('tells who waits for the boot why its daemon ended it', async () => {
    await fakeQemu('exec sleep 60');
    const booting = up();
    const failed = expect(booting).rejects.toMatchObject({
      code: 'E_DAEMON',
      message: 'the daemon has failed: out of memory',
    });
    await testbed.down(new VsbError('E_DAEMON', 'the daemon has failed: out of memory'));
    await failed;
    await expectNothingLeft();
  });

  it('refuses a second boot beside the first', async () => {
    await fakeQemu('exec sleep 60');
    const abort = new AbortController();
    const first = up(abort.signal);
    await expect(up()).rejects.toMatchObject({ code: 'E_BUSY', exitCode: 2 });
    abort.abort(new VsbError('E_INTERRUPTED', 'gone'));
    await expect(first).rejects.toThrow();
  });

  it('keeps keys and passwords private', async () => {
    await fakeQemu('exit 1');
    await expect(up()).rejects.toThrow();
    for (const file of [paths.passwords, paths.managementKey, paths.l1HostKey, paths.record]) {
      expect((await stat(file)).mode & 0o777, file).toBe(0o600);
    }
  });
});

describe('Testbed.mustRun', () => {
  it('says that nothing runs', () => {
    expect(() => testbed.mustRun()).toThrow(
      expect.objectContaining({ code: 'E_INSTANCE_NOT_RUNNING', exitCode: 2 }),
    );
  });
});
