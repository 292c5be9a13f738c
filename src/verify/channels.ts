/**
 * Everything of the layers below a user VM's console that is searched, and what the search claims of it.
 * A claim is proved by the baseline: a channel that claims a canary must show it there.
 */
import type { CanaryKind } from '../contract/evidence.js';
import { l2VmPaths } from '../layers/l2-paths.js';
import type { Subject } from './ground.js';

export interface Channel {
  readonly layer: 'L1' | 'L2';
  readonly name: string;
  readonly method: string;
  /** Canaries that must be found in the baseline, else the run proves nothing. */
  readonly claims: readonly CanaryKind[];
  /** What is the user VM's own, which no console can protect: reported, not judged. */
  readonly knownLimit?: true;
  /** Absent in a layer that has none. */
  readonly optional?: true;
  /** What the search program is told. */
  readonly directives?: readonly string[];
  /** What the tool itself has collected, and searches. */
  readonly collected?: 'received' | 'traced';
}

const layer = 'L2';

/** What every L2 has on a console's path. */
export function serialChannels(vm: string): Channel[] {
  const { consoleLog } = l2VmPaths(vm);
  return [
    {
      ...{ layer, name: 'serial-log', method: `QEMU's log of the serial port, ${consoleLog}` },
      claims: ['echoed', 'printed'],
      directives: [`file ${consoleLog}`],
    },
  ];
}

/** What Linux's KVM hands to QEMU. */
export const kvmTraceChannel: Channel = {
  ...{ layer, name: 'kvm-trace', method: 'tracepoint kvm_pio: values read and written, COM1' },
  claims: ['echoed', 'hidden', 'printed'],
  collected: 'traced',
};

/** The user VM's memory, where a process of L2 has it. */
export function mappedGuestRam({ qemuPid, memoryBytes }: Subject): Channel {
  return {
    ...{ layer, name: 'guest-ram', method: "the user VM's memory, mapped by its QEMU" },
    ...{ claims: [], knownLimit: true },
    directives: [`memory ${qemuPid} only ${memoryBytes}`],
  };
}

/** What every L2 has beside it: processes, files, the kernel's log. */
export function hostChannels({ qemuPid, memoryBytes, directory }: Subject): Channel[] {
  return [
    {
      ...{ layer, name: 'qemu-memory', method: "QEMU's memory but the user VM's, /proc/PID/mem" },
      claims: [],
      directives: [`memory ${qemuPid} without ${memoryBytes}`],
    },
    {
      ...{ layer, name: 'processes', method: 'memory of all other processes' },
      claims: [],
      directives: [`processes ${qemuPid}`],
    },
    {
      ...{ layer, name: 'files', method: 'every file of every writable file system' },
      claims: [],
      directives: ['mounts'],
    },
    {
      ...{ layer, name: 'kernel-log', method: 'dmesg' },
      claims: [],
      directives: [`file ${directory}/kernel-log`],
    },
  ];
}

/** The disks of an L2 that has none of its own. */
export const diskChannel: Channel = {
  ...{ layer, name: 'disks', method: "block devices: the user VMs' disks" },
  ...{ claims: [], knownLimit: true, optional: true },
  directives: ['disks'],
};
