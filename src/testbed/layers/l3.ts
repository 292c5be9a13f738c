/** L3: how the virtualized system runs a user VM, as its operator would have written it. */
import type { VmConfig } from '../../config/schema.js';
import type { Accel } from '../../host/accel.js';
import type { CpioFile } from '../cpio.js';
import { tcgKernelOptions } from './kernel.js';
import { l2VmPaths } from './l2.js';

const defaultKernel = '/srv/l3/vmlinux';

export interface L3Inputs {
  readonly vm: VmConfig;
  /** SMBIOS UUID, by which the shadow hypervisor labels the VM. */
  readonly uuid: string;
  /** What L0 runs with: the default command line differs. */
  readonly accel: Accel;
  /** Block device in L2, when the user VM has a disk. */
  readonly disk?: string | undefined;
}

/**
 * QEMU and its arguments in L2, one a line of the file `argv` there. The serial port goes to a socket
 * and a log file: what the operator of the virtualized system can read and write. Pid file and
 * monitor are added by L2's `vm start`.
 */
export function l3Command({ vm, uuid, accel, disk }: L3Inputs): string[] {
  const paths = l2VmPaths(vm.name);
  const bootsFromDisk = vm.disk !== undefined && vm.kernel === undefined;
  return [
    'qemu-system-x86_64',
    ...['-name', vm.name],
    ...['-uuid', uuid],
    '-nodefaults',
    '-no-user-config',
    ...['-display', 'none'],
    // Without graphics the firmware talks on the serial port, and so does a boot loader.
    ...[
      '-machine',
      `pc,accel=kvm,usb=off,vmport=off,hpet=off${bootsFromDisk ? ',graphics=off' : ''}`,
    ],
    ...['-cpu', 'host'],
    ...['-smp', String(vm.vcpus)],
    ...['-m', `${vm.memoryMiB}M`],
    ...(bootsFromDisk ? [] : kernelArguments(vm, accel)),
    ...(disk === undefined ? [] : diskArguments(disk, vm.disk?.readOnly === true)),
    ...[
      '-chardev',
      `socket,id=com1,path=${paths.consoleSocket},server=on,wait=off,logfile=${paths.consoleLog},logappend=on`,
    ],
    ...['-serial', 'chardev:com1'],
  ];
}

function kernelArguments(vm: VmConfig, accel: Accel): string[] {
  const paths = l2VmPaths(vm.name);
  const initrd =
    vm.kernel === undefined ? paths.initrd : vm.initrd === undefined ? undefined : paths.ownInitrd;
  return [
    ...['-kernel', vm.kernel === undefined ? defaultKernel : paths.ownKernel],
    ...(initrd === undefined ? [] : ['-initrd', initrd]),
    ...['-append', vm.append ?? defaultAppend(accel)],
  ];
}

/** The command line of a user VM that brings none of its own. */
function defaultAppend(accel: Accel): string {
  return ['console=ttyS0,115200', ...(accel === 'tcg' ? tcgKernelOptions : [])].join(' ');
}

function diskArguments(device: string, readOnly: boolean): string[] {
  const mode = readOnly ? 'read-only=on' : 'read-only=off';
  return [
    ...[
      '-blockdev',
      `driver=raw,node-name=disk0,${mode},file.driver=host_device,file.filename=${device},file.${mode}`,
    ],
    ...['-device', 'virtio-blk-pci,drive=disk0,bootindex=0'],
  ];
}

/** What is appended to the default user VM's initrd: its name, and root's password as a crypt(3) hash. */
export function l3Overlay(name: string, passwordHash: string): CpioFile[] {
  return [
    { path: '/etc/hostname', content: `${name}\n` },
    { path: '/etc/shadow', content: `root:${passwordHash}:19700::::::\n`, mode: 0o600 },
  ];
}
