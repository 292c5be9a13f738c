/** What of a configuration Bochs cannot run. */
import type { Config } from '../config/schema.js';
import { l0MemoryMiB } from '../config/sizes.js';
import type { Obstacle } from './accel.js';

/** Devices lie above it: memory that they hide would be lost. */
export const bochsMemoryLimitMiB = 3072;

const useQemu = '`--accel tcg` has it.';

/** The first reason, if there is one. */
export function whyNotOnBochs(config: Config): Obstacle | undefined {
  if (config.l2.disk !== undefined) {
    return { reason: 'its machine has no disks for a system of your own', remedy: useQemu };
  }
  const disk = config.vms.find((vm) => vm.disk !== undefined);
  if (disk !== undefined) {
    return { reason: `${disk.name} has a disk, and its machine has none to give`, remedy: useQemu };
  }
  if (config.l0.cpus > 1) {
    return {
      reason: `l0.cpus is ${config.l0.cpus}, and it is built for one processor`,
      remedy: 'Set l0.cpus to 1.',
    };
  }
  const memory = l0MemoryMiB(config);
  if (memory > bochsMemoryLimitMiB) {
    return {
      reason: `its machine would need ${memory} MiB, and has ${bochsMemoryLimitMiB} at most`,
      remedy: 'Configure fewer or smaller user VMs (vms[].memoryMiB), or a smaller l2.memoryMiB.',
    };
  }
  return undefined;
}
