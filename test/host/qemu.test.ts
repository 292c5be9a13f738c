import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { assertQemuVersion, probeQemu } from '../../src/host/qemu.js';
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
