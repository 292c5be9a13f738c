/** How much memory each layer gets. All figures in MiB; the reasons stand beside them. */
import type { Config, VmConfig } from '../../config/schema.js';

/** L2's kernel, its unpacked initrd with QEMU and the user VM's image, the initrd before it is unpacked. */
const l2OwnMemoryMiB = 768;
/** QEMU in L2 for one user VM: its heap, device state, page tables. */
const l2PerVmMemoryMiB = 96;
/** Xen itself: code, heap, frame table, console ring, shadow rings of all slots. */
const xenOwnMemoryMiB = 192;

/** Memory of the domain L2. */
export function l2MemoryMiB(config: Config): number {
  return config.l2.memoryMiB ?? hostMemoryMiB(config.vms);
}

/** Memory that the virtualized system needs for itself and these user VMs. */
export function hostMemoryMiB(vms: readonly VmConfig[]): number {
  const users = vms.reduce((sum, vm) => sum + vm.memoryMiB + l2PerVmMemoryMiB, 0);
  return l2OwnMemoryMiB + users;
}

/** Memory of L0's machine, a multiple of 64 MiB. */
export function l0MemoryMiB(config: Config): number {
  const l2 = l2MemoryMiB(config);
  // libxl reserves about 8 KiB of page table memory for each MiB of a domain and 1 MiB a vCPU;
  // nested page tables come out of the same pool.
  const pageTables = Math.ceil(l2 / 64) + config.l2.vcpus;
  const total = xenOwnMemoryMiB + config.l1.dom0MemoryMiB + l2 + pageTables;
  return Math.ceil(total / 64) * 64;
}
