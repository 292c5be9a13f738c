/** What KVM offers to guests on this host, or why it offers nothing. */
import { open, readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';

import { z } from 'zod';

import { errnoOf, messageOf } from '../base/errors.js';
import type { CpuFeatures } from './cpu-model.js';
import { withProbe, type ProbeOptions } from './qemu.js';

/** KVM's part for a vendor's processors, as Linux has it. */
export interface KvmModule {
  readonly name: 'kvm_amd' | 'kvm_intel';
  /** Whether it can be unloaded; else only the kernel's command line sets its parameters. */
  readonly loadable: boolean;
  /** Parameters that are switches. */
  readonly nested?: boolean;
  readonly npt?: boolean;
  readonly ept?: boolean;
  readonly unrestricted_guest?: boolean;
}

/** What KVM offers, or why nothing is known about it. */
export type KvmFinding =
  | {
      readonly usable: true;
      /** Of the CPU model `host`, as KVM would give it to a guest. */
      readonly features: CpuFeatures;
      readonly module?: KvmModule | undefined;
    }
  | { readonly usable: false; readonly reason: string; readonly remedy: string };

/** Where Linux tells about itself. */
export interface KvmPlaces {
  readonly device: string;
  readonly modules: string;
  readonly cpuinfo: string;
  readonly groups: string;
}

export const linuxPlaces: KvmPlaces = {
  device: '/dev/kvm',
  modules: '/sys/module',
  cpuinfo: '/proc/cpuinfo',
  groups: '/etc/group',
};

const kvmSchema = z.object({ enabled: z.boolean() });
const expansionSchema = z.object({
  model: z.object({ props: z.record(z.string(), z.unknown()) }),
});

/**
 * Asks QEMU what KVM would give to a guest. A /dev/kvm that opens says nothing: a host that itself runs
 * paravirtualized has one, and its guests get neither SVM nor VMX.
 *
 * @throws the signal's reason; all else is a finding
 */
export async function probeKvm(
  options: ProbeOptions = {},
  places: KvmPlaces = linuxPlaces,
): Promise<KvmFinding> {
  const refused = await whyClosed(places);
  if (refused !== undefined) return { usable: false, ...refused };
  try {
    return await withProbe('none,accel=kvm', options, async (qmp) => {
      const call = { signal: options.signal };
      if (!kvmSchema.parse(await qmp.execute('query-kvm', {}, call)).enabled) {
        const reason = `${places.device} opens, but QEMU cannot use KVM`;
        return { usable: false, reason, remedy: 'apt-get install qemu-system-x86' };
      }
      // One that could migrate would hide the invariant TSC.
      const model = { name: 'host', props: { migratable: false } };
      const answer = await qmp.execute('query-cpu-model-expansion', { type: 'full', model }, call);
      const { props } = expansionSchema.parse(answer).model;
      const features = new Map(
        Object.entries(props).flatMap(([name, value]) =>
          typeof value === 'boolean' ? [[name, value] as const] : [],
        ),
      );
      return { usable: true, features, module: await findKvmModule(places.modules) };
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    return {
      usable: false,
      reason: `QEMU with accel=kvm failed (${messageOf(error)})`,
      remedy: '`dmesg | grep -i kvm` may tell why. Only one hypervisor of a host can use SVM.',
    };
  }
}

const switches = ['npt', 'ept', 'unrestricted_guest'] as const;

/** Which of KVM's modules runs here, and how. */
export async function findKvmModule(modules = linuxPlaces.modules): Promise<KvmModule | undefined> {
  for (const name of ['kvm_amd', 'kvm_intel'] as const) {
    const read = async (file: string): Promise<string | undefined> =>
      await readFile(`${modules}/${name}/${file}`, 'utf8').catch(() => undefined);
    const nested = await read('parameters/nested');
    if (nested === undefined) continue;
    // Only what can be unloaded has a state (Documentation/ABI/testing/sysfs-module).
    const loadable = (await read('initstate')) !== undefined;
    const more: Partial<Record<(typeof switches)[number], boolean>> = {};
    for (const parameter of switches) {
      const value = await read(`parameters/${parameter}`);
      if (value !== undefined) more[parameter] = isOn(value);
    }
    return { name, loadable, nested: isOn(nested), ...more };
  }
  return undefined;
}

function isOn(parameter: string): boolean {
  return /^[1Y]/.test(parameter);
}

/** How a parameter of a module is changed: it is read when the module is loaded only. */
export function setParameter(
  { name, loadable }: Pick<KvmModule, 'name' | 'loadable'>,
  ...parameters: string[]
): string {
  return loadable
    ? `As root, while no VM runs: modprobe -r ${name} && modprobe ${name} ${parameters.join(' ')}`
    : `Boot the kernel with ${parameters.map((parameter) => `${name}.${parameter}`).join(' ')}: ${name} is built into it.`;
}

/** Why the device cannot be opened, and what helps; undefined where it can. Only open(2) knows of a container's devices. */
async function whyClosed(
  places: KvmPlaces,
): Promise<{ readonly reason: string; readonly remedy: string } | undefined> {
  const { device } = places;
  try {
    await (await open(device, 'r+')).close();
    return undefined;
  } catch (error) {
    const reason = `${device} cannot be opened (${messageOf(error)})`;
    switch (errnoOf(error)) {
      case 'EACCES':
        return { reason, remedy: await howToGetRights(places) };
      case 'EPERM':
        return { reason, remedy: `Give the container its device: docker run --device ${device}` };
      default:
        return { reason, remedy: await howToGetDevice(places) };
    }
  }
}

/** The device belongs to a group on most systems; which one is told by the device. */
async function howToGetRights({ device, groups }: KvmPlaces): Promise<string> {
  const { gid, mode } = await stat(device);
  const lines = (await readFile(groups, 'utf8').catch(() => '')).split('\n');
  const group = lines.find((line) => line.split(':')[2] === String(gid))?.split(':')[0];
  const groupMayUse = (mode & 0o060) === 0o060;
  // Nobody should become a member of root's group for it.
  if (gid === 0 || !groupMayUse || group === undefined) {
    return `As root: chgrp kvm ${device} && chmod 660 ${device} && usermod -aG kvm ${userName()}; then log in again.`;
  }
  return `As root: usermod -aG ${group} ${userName()}; then log in again.`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without a name, as containers have.
    return 'USER';
  }
}

async function howToGetDevice({ device, cpuinfo }: KvmPlaces): Promise<string> {
  const flags = /^flags\s*:(.*)$/m.exec(await readFile(cpuinfo, 'utf8').catch(() => ''))?.[1];
  const has = (flag: string): boolean => flags?.split(' ').includes(flag) === true;
  const module = has('svm') ? 'kvm_amd' : has('vmx') ? 'kvm_intel' : undefined;
  if (module === undefined) {
    return 'Switch SVM (AMD) or VMX (Intel) on in the firmware, or nested virtualization at the provider of this virtual machine; else go on with TCG.';
  }
  const further = module === 'kvm_intel' ? ' Then `--cpu intel`.' : '';
  return `As root: modprobe ${module} nested=1. In a container: give it ${device} (docker run --device ${device}).${further}`;
}
