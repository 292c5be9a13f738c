/** L2 as stock Linux with QEMU-KVM: a PVH domain, which needs neither firmware nor device model. */
import type { CpioFile } from '../formats/cpio.js';
import { xlConfig } from '../formats/xl-config.js';
import type { Accel } from '../host/accel.js';
import { diskLetter, userDisks, type UserDisk } from './disks.js';
import { kernelOptions } from './kernel.js';
import { l2VmPaths } from './l2-paths.js';
import type { DefinitionOf, VirtualizedSystem, VmFiles } from './l2.js';
import { l3Command } from './l3-kvm.js';
import { l2MacAddress } from './network.js';
import { nestedDomain } from './nested-domain.js';

/** What dom0 makes of L2's image and overlay. */
const kernelInDom0 = '/l2/l2/vmlinux';
const initrdInDom0 = '/run/l2.initrd';

/** xvda is left to a disk that L2 might once boot from. */
function diskInL2({ index }: UserDisk): string {
  return `/dev/xvd${diskLetter(index + 1)}`;
}

/** The command line of its kernel. With a serial console it is the outermost system, without Xen below it. */
export function linuxCommandLine(accel: Accel, console: 'hvc0' | 'ttyS0' = 'hvc0'): string {
  const words = [`console=${console}`, 'loglevel=5', 'panic=5', ...kernelOptions(accel)];
  return (console === 'ttyS0' ? [...words, '8250.nr_uarts=1'] : words).join(' ');
}

export const linuxKvm: VirtualizedSystem = {
  images: { l1: 'l1', l2: 'l1-disk' },
  diskInL2,
  domainConfig: (config, accel, uuid) =>
    xlConfig([
      ...nestedDomain('pvh', config, uuid),
      ['kernel', kernelInDom0],
      ['ramdisk', initrdInDom0],
      ['cmdline', linuxCommandLine(accel)],
      ['vif', [`mac=${l2MacAddress},bridge=xenbr0,script=vif-bridge`]],
      [
        'disk',
        userDisks(config.vms).map((disk) => {
          const target = diskInL2(disk).replace('/dev/', '');
          const access = disk.readOnly ? 'ro' : 'rw';
          return `format=raw,vdev=${target},access=${access},target=${disk.inDom0}`;
        }),
      ],
      ['on_poweroff', 'destroy'],
      ['on_reboot', 'destroy'],
      ['on_crash', 'destroy'],
    ]),
  bootFiles: () => [],
  defineVm: (inputs) => ({ kind: 'kvm', command: l3Command(inputs) }),
};

/** The files of L2 that define a user VM of KVM. */
export function kvmVmFiles(
  name: string,
  { command }: DefinitionOf<'kvm'>,
  { overlay, kernel, initrd }: VmFiles,
): CpioFile[] {
  const paths = l2VmPaths(name);
  return [
    // One argument a line.
    { path: `${paths.definition}/argv`, content: `${command.join('\n')}\n` },
    { path: paths.overlay, content: overlay, mode: 0o600 },
    ...(kernel === undefined ? [] : [{ path: paths.ownKernel, content: kernel }]),
    ...(initrd === undefined ? [] : [{ path: paths.ownInitrd, content: initrd }]),
  ];
}
