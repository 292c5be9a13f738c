import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { findKvmModule, probeKvm, type KvmPlaces } from '../../src/host/kvm.js';
import { writeFakeQemu, writeHangingQemu } from '../rig/fake-qemu.js';

let directory: string;
let places: KvmPlaces;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-kvm-'));
  places = {
    device: '/dev/null', // opens, as a /dev/kvm that is of no use does
    modules: join(directory, 'module'),
    cpuinfo: join(directory, 'cpuinfo'),
    groups: join(directory, 'group'),
  };
});
afterEach(async () => {
  vi.doUnmock('node:fs/promises');
  vi.resetModules();
  await rm(directory, { recursive: true, force: true });
});

async function loadModule(name: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(places.modules, name, 'parameters'), { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    await writeFile(join(places.modules, name, file), content);
  }
}

const kvmAnswers = (props: Readonly<Record<string, unknown>>): unknown[] => [
  {},
  { enabled: true, present: true },
  { model: { name: 'host', props } },
];

describe('probeKvm', () => {
  it('finds what the CPU model has, by names, and how the module runs', async () => {
    await loadModule('kvm_amd', { 'parameters/nested': '1\n', 'parameters/npt': 'Y\n' });
    const program = await writeFakeQemu(
      join(directory, 'qemu'),
      kvmAnswers({ svm: true, npt: false, vendor: 'AuthenticAMD', family: 25 }),
    );
    expect(await probeKvm({ program }, places)).toEqual({
      usable: true,
      features: new Map([
        ['svm', true],
        ['npt', false],
      ]),
      module: { name: 'kvm_amd', loadable: false, nested: true, npt: true },
    });
  });

  it('takes the complaint of a QEMU that dies as the reason', async () => {
    const program = join(directory, 'qemu');
    await writeFile(program, '#!/bin/sh\necho "failed to set MSR 0x10a" >&2\nexit 134\n');
    await chmod(program, 0o755);
    expect(await probeKvm({ program }, places)).toMatchObject({
      usable: false,
      reason: expect.stringContaining('failed to set MSR 0x10a') as string,
      remedy: expect.stringContaining('dmesg') as string,
    });
  });

  it('says that QEMU knows no KVM', async () => {
    const program = await writeFakeQemu(join(directory, 'qemu'), [{}, { enabled: false }]);
    expect(await probeKvm({ program }, places)).toMatchObject({
      usable: false,
      reason: '/dev/null opens, but QEMU cannot use KVM',
    });
  });

  it('gives the reason of an abort while QEMU says nothing', async () => {
    const program = await writeHangingQemu(join(directory, 'qemu'));
    const reason = new Error('enough');
    const probing = probeKvm({ program, signal: AbortSignal.abort(reason) }, places);
    await expect(probing).rejects.toBe(reason);
  });

  it.each([
    ['svm', /^As root: modprobe kvm_amd nested=1\. In a container: give it \S+/],
    ['vmx', /^As root: modprobe kvm_intel nested=1\. .* Then `--cpu intel`\.$/],
    [
      'sse',
      /^Switch SVM \(AMD\) or VMX \(Intel\) on in the firmware, or nested virtualization at the provider/,
    ],
  ])('says what helps where there is no device and the processor has %s', async (flag, remedy) => {
    await writeFile(places.cpuinfo, `processor\t: 0\nflags\t\t: fpu ${flag} lm\n`);
    const device = join(directory, 'kvm');
    expect(await probeKvm({}, { ...places, device })).toMatchObject({
      usable: false,
      reason: expect.stringContaining(`${device} cannot be opened (ENOENT`) as string,
      remedy: expect.stringMatching(remedy) as string,
    });
  });

  it('takes a node without a driver for what it is', async () => {
    const device = join(directory, 'kvm');
    await symlink('/dev/does-not-exist/kvm', device);
    const found = await probeKvm({}, { ...places, device });
    expect(found).toMatchObject({
      usable: false,
      remedy: expect.stringMatching(/^Switch SVM /) as string,
    });
  });

  describe('where the device may not be opened', () => {
    /** Root may open everything, so the file system is asked to refuse. */
    async function refusedWith(
      code: string,
      status: { readonly gid: number; readonly mode: number },
    ): Promise<unknown> {
      vi.resetModules();
      vi.doMock('node:fs/promises', async (original) => ({
        ...(await original<object>()),
        open: () => Promise.reject(Object.assign(new Error(`${code}: refused`), { code })),
        stat: () => Promise.resolve(status),
      }));
      const { probeKvm: probe } = await import('../../src/host/kvm.js');
      return await probe({}, places);
    }
    const remedy = (pattern: RegExp): object => ({
      usable: false,
      reason: expect.stringContaining('cannot be opened') as string,
      remedy: expect.stringMatching(pattern) as string,
    });

    it('names the group that the device has', async () => {
      await writeFile(places.groups, 'root:x:0:\nvirtual:x:106:somebody\n');
      expect(await refusedWith('EACCES', { gid: 106, mode: 0o20_660 })).toEqual(
        remedy(/^As root: usermod -aG virtual \S+; then log in again\.$/),
      );
    });

    it.each([
      ["root's group", 0, 0o20_660],
      ['a group without rights', 106, 0o20_600],
      ['a group without a name', 107, 0o20_660],
    ])('advises nobody to join %s', async (_, gid, mode) => {
      await writeFile(places.groups, 'root:x:0:\nvirtual:x:106:somebody\n');
      expect(await refusedWith('EACCES', { gid, mode })).toEqual(
        remedy(/^As root: chgrp kvm \/dev\/null && chmod 660 \/dev\/null && usermod -aG kvm /),
      );
    });

    it('takes EPERM for a container without the device', async () => {
      expect(await refusedWith('EPERM', { gid: 0, mode: 0o20_666 })).toEqual(
        remedy(/^Give the container its device: docker run --device/),
      );
    });
  });
});

describe('findKvmModule', () => {
  it('knows a module that can be unloaded by its state', async () => {
    await loadModule('kvm_amd', { 'parameters/nested': '0\n', initstate: 'live\n' });
    expect(await findKvmModule(places.modules)).toEqual({
      name: 'kvm_amd',
      loadable: true,
      nested: false,
    });
  });

  it('finds none without KVM', async () => {
    expect(await findKvmModule(places.modules)).toBeUndefined();
  });
});
