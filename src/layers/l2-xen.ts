/** L2 as stock Xen with its dom0: an HVM domain that boots from a disk through GRUB, with L1's QEMU as device model. */
import type { Config } from '../config/schema.js';
import { l2Dom0MemoryMiB } from '../config/sizes.js';
import { packCpio, type CpioFile } from '../formats/cpio.js';
import { xlConfig } from '../formats/xl-config.js';
import { isEmulated, type Accel } from '../host/accel.js';
import { virtioDisk } from './device-model.js';
import { diskLetter, userDisks, type UserDisk } from './disks.js';
import { kernelOptions } from './kernel.js';
import { l2VmPaths } from './l2-paths.js';
import type { DefinitionOf, VirtualizedSystem, VmFiles } from './l2.js';
import { l3BootFiles, l3DomainConfig, l3GrubConfig } from './l3-xen.js';
import { bootsFromDisk } from './l3.js';
import { l2MacAddress } from './network.js';
import { nestedDomain } from './nested-domain.js';

/** vda is the disk that L2 boots from, vdb its overlay. */
function diskInL2({ index }: UserDisk): string {
  return `/dev/vd${diskLetter(index + 2)}`;
}

export const xen: VirtualizedSystem = {
  images: { l1: 'l1-hvm', l2: 'l2-xen' },
  diskInL2,
  domainConfig: (config, accel, uuid) =>
    xlConfig([
      ...nestedDomain('hvm', config, uuid),
      ['boot', 'c'],
      ['vga', 'none'],
      ['vnc', 0],
      ['hpet', 0],
      // L2's Xen knows nothing of the devices that L1's offers to its guests.
      ['xen_platform_pci', 0],
      ['serial', 'chardev:l2'],
      ['device_model_args_hvm', deviceModelArguments(config, accel)],
      ['on_poweroff', 'destroy'],
      ['on_reboot', 'destroy'],
      ['on_crash', 'destroy'],
    ]),
  bootFiles: (config, accel) => [{ path: '/boot/grub.cfg', content: grubConfig(config, accel) }],
  defineVm: (inputs) => ({
    kind: 'xen',
    domainConfig: l3DomainConfig(inputs),
    ...(bootsFromDisk(inputs.vm) ? {} : { grubConfig: l3GrubConfig(inputs) }),
  }),
};

/** The files of L2 that define a user VM of Xen. */
export function xenVmFiles(
  name: string,
  { domainConfig, grubConfig }: DefinitionOf<'xen'>,
  files: VmFiles,
): CpioFile[] {
  const { definition, bootDisk } = l2VmPaths(name);
  return [
    { path: `${definition}/xl.cfg`, content: domainConfig },
    ...(grubConfig === undefined
      ? []
      : [{ path: bootDisk, content: packCpio(l3BootFiles(grubConfig, files)), mode: 0o600 }]),
  ];
}

/** Where L1's dom0 finds the disk that L2 boots from: known to images/l1 and images/l1-bochs (`devices`), too. */
function l2BootDisk(accel: Accel): string {
  return accel === 'bochs' ? '/dev/sr0' : '/dev/vda';
}

function deviceModelArguments(config: Config, accel: Accel): string[] {
  return [
    // What xenconsoled keeps of other domains, in the same place. It may be emptied, so each write goes to its end.
    ...['-chardev', 'file,id=l2,path=/var/log/xen/console/guest-l2.log,append=on'],
    ...virtioDisk({ id: 'boot', file: l2BootDisk(accel), readOnly: true, boots: true }),
    ...virtioDisk({ id: 'overlay', file: '/etc/vsbypass/l2-overlay.cpio', readOnly: true }),
    ...userDisks(config.vms).flatMap(({ vm, inDom0, readOnly }) =>
      virtioDisk({ id: `vm-${vm}`, file: inDom0, readOnly }),
    ),
    ...['-netdev', 'tap,id=net0,ifname=tap-l2,script=no,downscript=no'],
    ...['-device', `virtio-net-pci,netdev=net0,mac=${l2MacAddress},romfile=`],
  ];
}

/** What GRUB does: it finds this file in the overlay. */
function grubConfig(config: Config, accel: Accel): string {
  const boot = '(hd0,msdos1)/boot';
  return [
    `multiboot2 ${boot}/xen-4.17-amd64.gz ${xenCommandLine(config, accel)}`,
    `module2 ${boot}/vmlinux ${dom0CommandLine(accel)}`,
    `module2 ${boot}/initrd`,
    'boot',
    '',
  ].join('\n');
}

/** The command line of L2's Xen. */
function xenCommandLine(config: Config, accel: Accel): string {
  const memory = `${l2Dom0MemoryMiB(config)}M`;
  return [
    'console=com1',
    'com1=115200,8n1',
    // Each character of its console is an exit to L1's device model.
    'loglvl=error',
    'guest_loglvl=error',
    `dom0_mem=${memory},max:${memory}`,
    // The CPU that the interrupt server has in dom0 is one of the machine's then.
    ...(config.irq === 'ultracall' ? ['dom0_vcpus_pin'] : []),
    // MWAIT idling takes #GP under TCG and saves nothing in a VM.
    'cpuidle=0',
    'no-real-mode',
    'edd=off',
    'vga=none',
    // Memory of a fresh domain is zero already.
    'bootscrub=off',
    // TCG has no speculation to defend against, and pays for each barrier.
    ...(isEmulated(accel) ? ['spec-ctrl=no'] : []),
  ].join(' ');
}

function dom0CommandLine(accel: Accel): string {
  return ['console=hvc0', 'loglevel=4', 'panic=5', ...kernelOptions(accel)].join(' ');
}
