/** L3 under Xen: the domain configuration of a user VM, as the operator of the virtualized system would have written it. */
import type { CpioFile } from '../formats/cpio.js';
import { xlConfig } from '../formats/xl-config.js';
import { virtioDisk } from './device-model.js';
import { l2VmPaths } from './l2-paths.js';
import type { VmFiles } from './l2.js';
import { bootsFromDisk, defaultAppend, type L3Inputs } from './l3.js';

/** The disk from which a VM starts that has no boot loader of its own. */
const defaultDisk = '/srv/l3/disk.img';

/**
 * xl.cfg(5) in L2. The serial port is a pty, where `xl console -t serial` finds it, and QEMU keeps a log of it: what the
 * operator of the virtualized system can read and write.
 */
export function l3DomainConfig({ vm, uuid, disk }: L3Inputs): string {
  const { consoleLog, bootDisk } = l2VmPaths(vm.name);
  const fromDisk = bootsFromDisk(vm);
  return xlConfig([
    ['name', vm.name],
    ['type', 'hvm'],
    ['uuid', uuid],
    ['memory', vm.memoryMiB],
    ['vcpus', vm.vcpus],
    ['boot', 'c'],
    ['vga', 'none'],
    ['vnc', 0],
    ['hpet', 0],
    // An emulated TSC costs an exit to L2 for each look at the clock.
    ['tsc_mode', 'native'],
    ['serial', 'chardev:serial0'],
    [
      'device_model_args_hvm',
      [
        ...['-chardev', `pty,id=serial0,logfile=${consoleLog},logappend=on`],
        // `xl` could also load a kernel itself, but its firmware then reads it byte by byte.
        ...(fromDisk
          ? []
          : [
              ...virtioDisk({ id: 'boot', file: defaultDisk, readOnly: true, boots: true }),
              ...virtioDisk({ id: 'files', file: bootDisk, readOnly: true }),
            ]),
        ...(disk === undefined
          ? []
          : virtioDisk({
              id: 'disk0',
              file: disk,
              readOnly: vm.disk?.readOnly === true,
              boots: fromDisk,
            })),
      ],
    ],
    ['on_poweroff', 'destroy'],
    ['on_reboot', 'restart'],
    ['on_crash', 'destroy'],
  ]);
}

/** What GRUB does in a VM that has no boot loader of its own. */
export function l3GrubConfig({ vm, accel }: L3Inputs): string {
  const append = vm.append ?? defaultAppend(accel);
  const boot = '(hd0,msdos1)/boot';
  const initrds =
    vm.kernel === undefined ? `${boot}/initrd (hd1)/overlay` : vm.initrd && '(hd1)/initrd';
  return [
    `linux ${vm.kernel === undefined ? `${boot}/vmlinuz` : '(hd1)/kernel'} ${append}`,
    ...(initrds === undefined ? [] : [`initrd ${initrds}`]),
    'boot',
    '',
  ].join('\n');
}

/** The second disk of such a VM. */
export function l3BootFiles(grubConfig: string, files: VmFiles): CpioFile[] {
  return [
    { path: '/boot/grub.cfg', content: grubConfig },
    ...(['overlay', 'kernel', 'initrd'] as const).flatMap((name): CpioFile[] => {
      const content = files[name];
      return content === undefined ? [] : [{ path: `/${name}`, content }];
    }),
  ];
}
