/** L2: the virtualized system's command line and overlay. Nothing in it knows of the shadow layer. */
import type { Accel } from '../../host/accel.js';
import type { CpioFile } from '../cpio.js';
import { kernelOptions } from './kernel.js';
import { managementFiles, type ManagementKeys } from './management.js';

/** The command line of L2's kernel. With a serial console it is the outermost system, without Xen below it. */
export function l2CommandLine(accel: Accel, console: 'hvc0' | 'ttyS0' = 'hvc0'): string {
  const words = [`console=${console}`, 'loglevel=5', 'panic=5', ...kernelOptions(accel)];
  return (console === 'ttyS0' ? [...words, '8250.nr_uarts=1'] : words).join(' ');
}

/** A user VM as L2 gets it. */
export interface L2Vm {
  readonly name: string;
  /** QEMU and its arguments. */
  readonly command: readonly string[];
  readonly autostart: boolean;
  /** Appended to the user VM's initrd. */
  readonly overlay: Buffer;
  /** Kernel and initrd that the user brought. */
  readonly files: readonly CpioFile[];
}

/** Where things of a user VM are in L2. */
export function l2VmPaths(name: string): {
  readonly definition: string;
  readonly initrd: string;
  readonly consoleSocket: string;
  readonly consoleLog: string;
  readonly qemuLog: string;
  readonly ownKernel: string;
  readonly ownInitrd: string;
} {
  return {
    definition: `/etc/vsbypass/vms/${name}`,
    initrd: `/run/vm/${name}/initrd`,
    consoleSocket: `/run/vm/${name}/console.sock`,
    consoleLog: `/var/log/vm/${name}.console`,
    qemuLog: `/var/log/vm/${name}.log`,
    ownKernel: `/srv/vms/${name}/kernel`,
    ownInitrd: `/srv/vms/${name}/initrd`,
  };
}

/** What is appended to L2's initrd. */
export function l2Overlay(keys: ManagementKeys, vms: readonly L2Vm[]): CpioFile[] {
  return [
    ...managementFiles(keys),
    ...vms.flatMap((vm): CpioFile[] => {
      const { definition } = l2VmPaths(vm.name);
      return [
        { path: `${definition}/argv`, content: `${vm.command.join('\n')}\n` },
        ...(vm.autostart ? [{ path: `${definition}/autostart`, content: '' }] : []),
        { path: `${definition}/overlay.cpio`, content: vm.overlay, mode: 0o600 },
        ...vm.files,
      ];
    }),
  ];
}
