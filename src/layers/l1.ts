/** L1: command lines of Xen and its dom0, the overlay of dom0's initrd. */
import { l2Vcpus } from '../config/interrupts.js';
import type { Config } from '../config/schema.js';
import type { CpioFile } from '../formats/cpio.js';
import { isEmulated, type Accel } from '../host/accel.js';
import { kernelOptions } from './kernel.js';
import { managementFiles, type ManagementKeys } from './management.js';

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
    // A vCPU of L2 that waits for another to take its IPI uses up its time slice first: credit2's are long.
    ...(l2Vcpus(config) > config.l0.cpus ? ['sched=credit'] : []),
    // No BIOS calls, no video: QEMU has loaded everything already.
    'no-real-mode',
    'edd=off',
    'vga=none',
    'guest_loglvl=none',
    // Memory of a fresh machine is zero already.
    'bootscrub=off',
    // An emulated processor has no speculation to defend against, and pays for each barrier.
    ...(isEmulated(accel) ? ['spec-ctrl=no'] : []),
  ].join(' ');
}

/** The command line of dom0's kernel; its console is Xen's. */
export function dom0CommandLine(accel: Accel): string {
  return [
    ...['console=hvc0', 'loglevel=5', 'panic=5', ...kernelOptions(accel)],
    // The third is L2's console there.
    ...(accel === 'bochs' ? ['8250.nr_uarts=3'] : []),
  ].join(' ');
}

/** What is appended to the initrd of L1's dom0. */
export function l1Overlay(
  keys: ManagementKeys,
  domainConfig: string,
  l2Overlay: Buffer | undefined,
): CpioFile[] {
  return [
    ...managementFiles(keys),
    { path: '/etc/vsbypass/l2.cfg', content: domainConfig },
    ...(l2Overlay === undefined
      ? []
      : [{ path: '/etc/vsbypass/l2-overlay.cpio', content: l2Overlay, mode: 0o600 }]),
  ];
}
