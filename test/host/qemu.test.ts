import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { assertQemuVersion, probeKvm, probeQemu } from '../../src/host/qemu.js';
import { writeFakeQemu, writeHangingQemu } from '../rig/fake-qemu.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-qemu-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const fakeQemu = async (answers: readonly unknown[], greet?: string): Promise<string> =>
  await writeFakeQemu(join(directory, 'qemu'), answers, greet);

describe('probeQemu', () => {
  it('reads the version from the greeting', async () => {
    const program = await fakeQemu([{}]);
    expect(await probeQemu({ program })).toEqual({ major: 7, minor: 2, micro: 22 });
  });

  it('gives the reason of an abort while QEMU says nothing', async () => {
    const program = await writeHangingQemu(join(directory, 'qemu'));
    const reason = new Error('enough');
    const probing = probeQemu({ program, signal: AbortSignal.abort(reason) });
    await expect(probing).rejects.toBe(reason);
  });

  it('says that QEMU is missing', async () => {
    await expect(probeQemu({ program: '/does/not/exist' })).rejects.toMatchObject({
      code: 'E_QEMU_MISSING',
    });
  });
});

describe('probeKvm', () => {
  const device = '/dev/null'; // opens, as a /dev/kvm that is of no use does

  it('finds what the CPU model has', async () => {
    const program = await fakeQemu([
      {},
      { enabled: true, present: true },
      { model: { name: 'host', props: { svm: true, vmx: false } } },
    ]);
    expect(await probeKvm({ program }, device)).toEqual({ usable: true, svm: true, vmx: false });
  });

  it('takes the complaint of a QEMU that dies as the reason', async () => {
    const program = join(directory, 'qemu');
    await writeFile(program, '#!/bin/sh\necho "failed to set MSR 0x10a" >&2\nexit 134\n');
    await chmod(program, 0o755);
    expect(await probeKvm({ program }, device)).toMatchObject({
      usable: false,
      reason: expect.stringContaining('failed to set MSR 0x10a') as string,
    });
  });

  it('says that the device is not there', async () => {
    expect(await probeKvm({}, join(directory, 'kvm'))).toMatchObject({
      usable: false,
      reason: expect.stringContaining('cannot be opened') as string,
    });
  });
});

describe('assertQemuVersion', () => {
  it.each([
    [7, 2],
    [8, 0],
    [10, 1],
  ])('accepts %d.%d', (major, minor) => {
    expect(() => assertQemuVersion({ major, minor, micro: 0 })).not.toThrow();
  });
  it.each([
    [7, 1],
    [5, 2],
  ])('refuses %d.%d', (major, minor) => {
    expect(() => assertQemuVersion({ major, minor, micro: 0 })).toThrow(
      expect.objectContaining({ code: 'E_QEMU_TOO_OLD', exitCode: 3 }),
    );
  });
});
