/**
 * Everything of the layers below a user VM's console that is searched, and what the search claims of it.
 * A claim is proved by the baseline: a channel that claims a canary must show it there.
 */
import { l2VmPaths } from '../testbed/layers/l2.js';
import type { CanaryKind } from './evidence.js';

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
  /** What the search program is told; without it the tool itself looks. */
  readonly directives?: readonly string[];
}

/** What is to be known of a user VM to look for its console. */
export interface Subject {
  readonly vm: string;
  /** Its QEMU in L2. */
  readonly qemuPid: number;
  /** The size of the mapping that is its memory. */
  readonly memoryBytes: number;
  /** The tool's own folder there, where command output is put. */
  readonly directory: string;
}

export function l2Channels({ vm, qemuPid, memoryBytes, directory }: Subject): Channel[] {
  const layer = 'L2';
  const { consoleLog, qemuLog } = l2VmPaths(vm);
  return [
    {
      ...{ layer, name: 'serial-log', method: `QEMU's log of the serial port, ${consoleLog}` },
      claims: ['echoed', 'printed'],
      directives: [`file ${consoleLog}`],
    },
    {
      ...{ layer, name: 'serial-socket', method: "a reader at the socket of QEMU's serial port" },
      claims: ['echoed', 'printed'],
    },
    {
      ...{ layer, name: 'kvm-trace', method: 'tracepoint kvm_pio: values read and written, COM1' },
      claims: ['echoed', 'hidden', 'printed'],
    },
    {
      ...{ layer, name: 'qemu-log', method: `what QEMU itself says, ${qemuLog}` },
      claims: [],
      directives: [`file ${qemuLog}`],
    },
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
    {
      ...{ layer, name: 'guest-ram', method: "the user VM's memory, mapped by its QEMU" },
      ...{ claims: [], knownLimit: true },
      directives: [`memory ${qemuPid} only ${memoryBytes}`],
    },
    {
      ...{ layer, name: 'disks', method: "block devices: the user VMs' disks" },
      ...{ claims: [], knownLimit: true, optional: true },
      directives: ['disks'],
    },
  ];
}

export function l1Channels(directory: string): Channel[] {
  const layer = 'L1';
  return [
    {
      ...{ layer, name: 'console-logs', method: "xenconsoled's logs, /var/log/xen" },
      claims: [],
      directives: ['tree /var/log/xen/console'],
    },
    {
      ...{ layer, name: 'xl-dmesg', method: "the hypervisor's console ring" },
      claims: [],
      directives: [`file ${directory}/xl-dmesg`],
    },
    {
      ...{ layer, name: 'processes', method: 'memory of all processes of dom0' },
      claims: [],
      directives: ['processes 0'],
    },
    {
      ...{ layer, name: 'files', method: 'every file of every writable file system' },
      claims: [],
      directives: ['mounts'],
    },
  ];
}
