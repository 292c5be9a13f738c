/** Options of a Linux kernel that has nothing to do but boot in a VM; each saves time, none changes what it offers. */
import { isEmulated, type Accel } from '../host/accel.js';

/** For L1's dom0 and L2. */
export function kernelOptions(accel: Accel): string[] {
  return [
    // RDRAND is the only source of entropy that a fresh VM has.
    'random.trust_cpu=on',
    // No self-tests, no security modules, no audit, no further serial ports to probe.
    'cryptomgr.notests',
    'lsm=',
    'audit=0',
    '8250.nr_uarts=0',
    ...(isEmulated(accel) ? emulatedKernelOptions : []),
  ];
}

/** An emulated processor does not speculate, and every page of code that changes is translated again. */
export const emulatedKernelOptions = [
  'mitigations=off',
  'tsc=reliable',
  'noreplace-smp',
  'rodata=off',
] as const;
