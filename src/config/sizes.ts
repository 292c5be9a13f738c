/** How much memory each layer gets. All figures in MiB; the reasons stand beside them. */
import { l2Vcpus } from './interrupts.js';
import type { Config, L2Kind, VmConfig } from './schema.js';

/** A system of the user's own: what a Debian with libvirt and two small VMs needs, twice. */
const ownSystemMemoryMiB = 2048;
/** Linux as L2: its kernel, the unpacked initrd with QEMU and the user VM's image, the initrd before it is unpacked. */
const linuxMemoryMiB = 768;
/** Xen as L2: its dom0, whose root is on a disk, and the hypervisor itself. */
const dom0MemoryMiB = 320;
const l2XenMemoryMiB = 96;
/** QEMU in L2 for one user VM: its heap, device state, page tables. */
const l2PerVmMemoryMiB = 96;
/** Xen itself: code, heap, frame table, console ring, shadow rings of all slots. */
const xenOwnMemoryMiB = 192;

/** Memory of the domain L2. */
export function l2MemoryMiB(config: Config): number {
  const { kind, memoryMiB } = config.l2;
  if (memoryMiB !== undefined) return memoryMiB;
  return config.l2.disk === undefined ? hostMemoryMiB(kind, config.vms) : ownSystemMemoryMiB;
}

/** Memory that a virtualized system needs for itself and these user VMs. */
export function hostMemoryMiB(kind: L2Kind, vms: readonly VmConfig[]): number {
  const own = kind === 'kvm' ? linuxMemoryMiB : l2XenMemoryMiB + dom0MemoryMiB;
  return own + vms.reduce((sum, vm) => sum + vm.memoryMiB + l2PerVmMemoryMiB, 0);
}

/** Memory of dom0 in an L2 that is Xen: what Xen and the user VMs leave of it. */
export function l2Dom0MemoryMiB(config: Config): number {
  const users = config.vms.reduce((sum, vm) => sum + vm.memoryMiB, 0);
  return l2MemoryMiB(config) - users - l2XenMemoryMiB;
}

/** Memory of L0's machine, a multiple of 64 MiB. */
export function l0MemoryMiB(config: Config): number {
  const l2 = l2MemoryMiB(config);
  // libxl reserves about 8 KiB of page table memory for each MiB of a domain and 1 MiB a vCPU;
  // nested page tables come out of the same pool.
  const pageTables = Math.ceil(l2 / 64) + l2Vcpus(config);
  const total = xenOwnMemoryMiB + config.l1.dom0MemoryMiB + l2 + pageTables;
  return Math.ceil(total / 64) * 64;
}
