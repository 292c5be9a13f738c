/** L2: the virtualized system, of either kind. Nothing in it knows of the shadow layer. */
import type { Config, L2Kind, L2System } from '../config/schema.js';
import type { CpioFile } from '../formats/cpio.js';
import type { Accel } from '../host/accel.js';
import type { DiskInL2 } from './disks.js';
import { kvmVmFiles, linuxKvm } from './l2-kvm.js';
import { ownSystem } from './l2-own.js';
import { l2VmPaths } from './l2-paths.js';
import { xen, xenVmFiles } from './l2-xen.js';
import type { L3Inputs } from './l3.js';
import { managementFiles, type ManagementKeys } from './management.js';

/** How a user VM is run in L2. */
export type VmDefinition =
  /** QEMU and its arguments. */
  | { readonly kind: 'kvm'; readonly command: readonly string[] }
  /** In the syntax of xl.cfg(5), and what GRUB does in the VM where it is ours. */
  | { readonly kind: 'xen'; readonly domainConfig: string; readonly grubConfig?: string };

export type DefinitionOf<Kind extends L2Kind> = Extract<VmDefinition, { readonly kind: Kind }>;

/** What is loaded in a user VM beside what L2's image has. */
export interface VmFiles {
  /** Appended to the default user VM's initrd. */
  readonly overlay: Buffer;
  /** Kernel and initrd that the user brought. */
  readonly kernel?: Buffer;
  readonly initrd?: Buffer;
}

/** What L2 is as a domain of L1. */
export interface L2Domain {
  /** Names of images/build: L1's dom0 that can run it, and the disk that it comes from where that is ours. */
  readonly images: { readonly l1: 'l1' | 'l1-hvm'; readonly l2?: 'l1-disk' | 'l2-xen' };
  /** The domain L2 in the syntax of xl.cfg(5). */
  domainConfig(config: Config, accel: Accel, uuid: string): string;
  /** What of its overlay tells it how to boot. */
  bootFiles(config: Config, accel: Accel): CpioFile[];
}

/** What the two kinds of L2 that we build differ in. */
export interface VirtualizedSystem extends L2Domain {
  readonly diskInL2: DiskInL2;
  defineVm(inputs: L3Inputs): VmDefinition;
}

const systems: Record<L2Kind, VirtualizedSystem> = { kvm: linuxKvm, xen };

export function virtualizedSystem(kind: L2Kind): VirtualizedSystem {
  return systems[kind];
}

export function l2Domain(system: L2System): L2Domain {
  return system === 'own' ? ownSystem : systems[system];
}

/** The files of L2 that define a user VM: what its `vm start` reads. */
export function vmFiles(name: string, definition: VmDefinition, files: VmFiles): CpioFile[] {
  return definition.kind === 'kvm'
    ? kvmVmFiles(name, definition, files)
    : xenVmFiles(name, definition, files);
}

/**
 * Those of them that have the password of its root, of a VM that brings no kernel.
 * @param overlay with the new one
 */
export function secretVmFiles(
  name: string,
  definition: VmDefinition,
  overlay: Buffer,
): { path: string; content: Buffer }[] {
  const { overlay: inInitrd, bootDisk } = l2VmPaths(name);
  return vmFiles(name, definition, { overlay })
    .filter(({ path }) => path === inInitrd || path === bootDisk)
    .map(({ path, content }) => ({ path, content: Buffer.from(content) }));
}

/** A user VM as L2 gets it. */
export interface L2Vm {
  readonly name: string;
  readonly autostart: boolean;
  readonly files: readonly CpioFile[];
}

/** What is added to L2's image. */
export function l2Overlay(
  keys: ManagementKeys,
  bootFiles: readonly CpioFile[],
  vms: readonly L2Vm[],
): CpioFile[] {
  return [
    ...managementFiles(keys),
    ...bootFiles,
    ...vms.flatMap(({ name, autostart, files }): CpioFile[] => [
      ...files,
      ...(autostart ? [{ path: `${l2VmPaths(name).definition}/autostart`, content: '' }] : []),
    ]),
  ];
}
