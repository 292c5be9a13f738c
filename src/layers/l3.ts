/** L3: what a user VM is made of, whoever runs it. */
import type { VmConfig } from '../config/schema.js';
import type { CpioFile } from '../formats/cpio.js';
import { isEmulated, type Accel } from '../host/accel.js';
import { emulatedKernelOptions } from './kernel.js';

export interface L3Inputs {
  readonly vm: VmConfig;
  /** SMBIOS UUID, by which the shadow hypervisor labels the VM. */
  readonly uuid: string;
  /** What L0 runs with: the default command line differs. */
  readonly accel: Accel;
  /** Block device in L2, when the user VM has a disk. */
  readonly disk?: string | undefined;
}

/** Whether firmware and boot loader of the user VM start it. */
export function bootsFromDisk(vm: VmConfig): boolean {
  return vm.disk !== undefined && vm.kernel === undefined;
}

/** The command line of a user VM that brings none of its own. */
export function defaultAppend(accel: Accel): string {
  // Debian's kernel takes few SysRq keys else; who is at the console may use all.
  const options = ['console=ttyS0,115200', 'sysrq_always_enabled'];
  return [...options, ...(isEmulated(accel) ? emulatedKernelOptions : [])].join(' ');
}

/** What is appended to the default user VM's initrd: its name, and root's password as a crypt(3) hash. */
export function l3Overlay(name: string, passwordHash: string): CpioFile[] {
  return [
    { path: '/etc/hostname', content: `${name}\n` },
    { path: '/etc/shadow', content: `root:${passwordHash}:19700::::::\n`, mode: 0o600 },
  ];
}
