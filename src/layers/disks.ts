/** Disks of user VMs on their way through the layers. */
import type { Config, VmConfig } from '../config/schema.js';

export interface UserDisk {
  readonly vm: string;
  readonly readOnly: boolean;
  /** Block device in L1's dom0: /dev/vda there is the disk that L2 comes from. */
  readonly inDom0: string;
  /** Its place among the user VMs' disks. */
  readonly index: number;
}

/** In the order in which QEMU, dom0 and L2 see them. */
export function userDisks(vms: readonly VmConfig[]): UserDisk[] {
  return vms
    .filter((vm) => vm.disk !== undefined)
    .map((vm, index) => ({
      vm: vm.name,
      readOnly: vm.disk?.readOnly === true,
      inDom0: `/dev/vd${diskLetter(index + 1)}`,
      index,
    }));
}

/** The block device of L2 that is a user VM's disk. */
export type DiskInL2 = (disk: UserDisk) => string;

/** The user VM's disk as L2 sees it; undefined for a VM without one. */
export function diskOf(config: Config, name: string, inL2: DiskInL2): string | undefined {
  const disk = userDisks(config.vms).find(({ vm }) => vm === name);
  return disk === undefined ? undefined : inL2(disk);
}

/** a for the first one. */
export function diskLetter(index: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + index);
}
