/** L1: command lines of Xen and its dom0, the domain configuration of L2, the overlay of dom0's initrd. */
import type { Accel } from '../../host/accel.js';
import type { Config } from '../../config/schema.js';
import type { CpioFile } from '../cpio.js';
import { kernelOptions } from './kernel.js';
import { l2CommandLine } from './l2.js';
import { managementFiles, type ManagementKeys } from './management.js';
import { l2MacAddress } from './network.js';
import { l2MemoryMiB } from './sizes.js';

/** Xen's command line. */
export function xenCommandLine(config: Config, accel: Accel): string {
  const memory = `${config.l1.dom0MemoryMiB}M`;
  return [
    'console=com1',
    'com1=115200,8n1',
    // The second serial port of L0's machine is the link; its ports are refused to dom0.
    'vsb_link=0x2f8,3',
    `dom0_mem=${memory},max:${memory}`,
    // dom0 is idle once L2 runs; a second vCPU would only cost its start.
    'dom0_max_vcpus=1',
    // MWAIT idling takes #GP under TCG and saves nothing in a VM.
    'cpuidle=0',
    // No BIOS calls, no video: QEMU has loaded everything already.
    'no-real-mode',
    'edd=off',
    'vga=none',
    'guest_loglvl=none',
    // Memory of a fresh machine is zero already.
    'bootscrub=off',
    // TCG has no speculation to defend against, and pays for each barrier.
    ...(accel === 'tcg' ? ['spec-ctrl=no'] : []),
  ].join(' ');
}

/** The command line of dom0's kernel; its console is Xen's. */
export function dom0CommandLine(accel: Accel): string {
  return ['console=hvc0', 'loglevel=5', 'panic=5', ...kernelOptions(accel)].join(' ');
}

/** Where dom0 mounts the disk with L2's image, and what it makes of image and overlay. */
const l2KernelInDom0 = '/l2/l2/vmlinux';
const l2InitrdInDom0 = '/run/l2.initrd';

/** The configuration of the domain L2 in the syntax of xl.cfg(5). */
export function l2DomainConfig(config: Config, accel: Accel): string {
  return [
    'name = "l2"',
    'type = "pvh"',
    `kernel = ${quote(l2KernelInDom0)}`,
    `ramdisk = ${quote(l2InitrdInDom0)}`,
    `cmdline = ${quote(l2CommandLine(accel))}`,
    `memory = ${l2MemoryMiB(config)}`,
    `vcpus = ${config.l2.vcpus}`,
    'nestedhvm = 1',
    'hap = 1',
    // An emulated TSC ignores L2's offset for its guests.
    'tsc_mode = "native"',
    `vif = [ ${quote(`mac=${l2MacAddress},bridge=xenbr0,script=vif-bridge`)} ]`,
    `disk = [ ${l2Disks(config).map(quote).join(', ')} ]`,
    'on_poweroff = "destroy"',
    'on_reboot = "destroy"',
    'on_crash = "destroy"',
    '',
  ].join('\n');
}

/** User VMs with a disk, in the order in which QEMU, dom0 and L2 see their disks. */
function vmsWithDisk(config: Config): Config['vms'] {
  return config.vms.filter((vm) => vm.disk !== undefined);
}

/** b for the first user VM's disk: /dev/vda of dom0 is the disk with L2's image. */
function diskLetter(index: number): string {
  return String.fromCharCode('b'.charCodeAt(0) + index);
}

function l2Disks(config: Config): string[] {
  return vmsWithDisk(config).map((vm, index) => {
    const letter = diskLetter(index);
    const access = vm.disk?.readOnly === true ? 'ro' : 'rw';
    return `format=raw,vdev=xvd${letter},access=${access},target=/dev/vd${letter}`;
  });
}

/** The block device in L2 that is the user VM's disk. */
export function diskInL2(config: Config, name: string): string | undefined {
  const index = vmsWithDisk(config).findIndex((vm) => vm.name === name);
  return index < 0 ? undefined : `/dev/xvd${diskLetter(index)}`;
}

/** xl reads its configuration with Python's rules for strings. */
function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** What is appended to the initrd of L1's dom0. */
export function l1Overlay(
  keys: ManagementKeys,
  domainConfig: string,
  l2Overlay: Buffer,
): CpioFile[] {
  return [
    ...managementFiles(keys),
    { path: '/etc/vsbypass/l2.cfg', content: domainConfig },
    { path: '/etc/vsbypass/l2-overlay.cpio', content: l2Overlay, mode: 0o600 },
  ];
}
