/** Where a saved state of the whole stack can be trusted. */
import { needsServer } from '../../config/interrupts.js';
import type { Config, IrqMode } from '../../config/schema.js';
import type { Accel } from '../../host/accel.js';

/**
 * Why the state of such a testbed is not kept: one sentence; undefined where it is sound.
 *
 * KVM on AMD: to save and load a guest that runs a nested guest "will result in undefined behavior"
 * (Linux, Documentation/virt/kvm/x86/running-nested-guests.rst, "Live migration").
 */
export function whyUnsound(config: Config, accel: Accel): string | undefined {
  if (accel === 'kvm') {
    return 'Linux does not support saving and loading a guest of KVM that runs a nested guest (AMD)';
  }
  if (accel === 'bochs') return 'Bochs keeps no state of a machine that runs';
  const { disk: own } = config.l2;
  if (own !== undefined)
    return "L2 is a system of the user's own, whose disks would not go back with it";
  const path = whyUnsoundPath(config.irq);
  if (path !== undefined) return path;
  if (config.console.mode !== 'shadow') return 'the consoles are left to L2';
  const disk = config.vms.find((vm) => vm.disk !== undefined);
  if (disk !== undefined) return `${disk.name} has a disk, which would not go back with it`;
  const ownKernel = config.vms.find((vm) => vm.kernel !== undefined);
  if (ownKernel !== undefined) {
    return `${ownKernel.name} brings a system of its own, whose clock and keys cannot be renewed`;
  }
  return undefined;
}

/** The same for the path that interrupts take, which can be switched while the testbed runs. */
export function whyUnsoundPath(irq: IrqMode): string | undefined {
  return needsServer(irq) ? `it was not shown to be sound with the path ${irq}` : undefined;
}
