/** L3 under KVM: how the virtualized system runs a user VM, as its operator would have written it. */
import { l2VmPaths } from './l2-paths.js';
import { bootsFromDisk, defaultAppend, type L3Inputs } from './l3.js';

/**
 * QEMU and its arguments in L2, one a line of the file `argv` there. The serial port goes to a socket
 * and a log file: what the operator of the virtualized system can read and write. Pid file and
 * monitor are added by L2's `vm start`.
 */
export function l3Command(inputs: L3Inputs): string[] {
  const { vm, uuid, disk } = inputs;
  const fromDisk = bootsFromDisk(vm);
  const paths = l2VmPaths(vm.name);
  return [
    'qemu-system-x86_64',
    ...['-name', vm.name],
    ...['-uuid', uuid],
    '-nodefaults',
    '-no-user-config',
    ...['-display', 'none'],
    // Without graphics the firmware talks on the serial port, and so does a boot loader.
    ...['-machine', `pc,accel=kvm,usb=off,vmport=off,hpet=off${fromDisk ? ',graphics=off' : ''}`],
    ...['-cpu', 'host'],
    ...['-smp', String(vm.vcpus)],
    ...['-m', `${vm.memoryMiB}M`],
    ...(fromDisk ? [] : kernelArguments(inputs)),
    ...(disk === undefined ? [] : diskArguments(disk, vm.disk?.readOnly === true)),
    ...[
      '-chardev',
      `socket,id=com1,path=${paths.consoleSocket},server=on,wait=off,logfile=${paths.consoleLog},logappend=on`,
    ],
    ...['-serial', 'chardev:com1'],
  ];
}

function kernelArguments({ vm, accel }: L3Inputs): string[] {
  const paths = l2VmPaths(vm.name);
  const own = vm.kernel !== undefined;
  const initrd = !own ? paths.initrd : vm.initrd === undefined ? undefined : paths.ownInitrd;
  return [
    ...['-kernel', own ? paths.ownKernel : '/srv/l3/vmlinux'],
    ...(initrd === undefined ? [] : ['-initrd', initrd]),
    ...['-append', vm.append ?? defaultAppend(accel)],
  ];
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
