/** L2 = Linux with KVM, of which the attacker is root. */
import { l2VmPaths } from '../layers/l2-paths.js';
import { hostChannels, serialChannels } from './channels.js';
import { debugAttacks } from './debug-stub.js';
import type { L2Ground } from './ground.js';
import { kvmTracer } from './kvm-trace.js';

const layer = 'L2';

export const l2Kvm: L2Ground = {
  layer,
  channels: (subject) => {
    const { vm, qemuPid, memoryBytes } = subject;
    const { log } = l2VmPaths(vm);
    return [
      ...serialChannels(vm),
      {
        ...{ layer, name: 'serial-socket', method: "a reader at the socket of QEMU's serial port" },
        claims: ['echoed', 'printed'],
        collected: 'received',
      },
      {
        ...{
          layer,
          name: 'kvm-trace',
          method: 'tracepoint kvm_pio: values read and written, COM1',
        },
        claims: ['echoed', 'hidden', 'printed'],
        collected: 'traced',
      },
      {
        ...{ layer, name: 'qemu-log', method: `what QEMU itself says, ${log}` },
        claims: [],
        directives: [`file ${log}`],
      },
      ...hostChannels(subject),
      {
        ...{ layer, name: 'guest-ram', method: "the user VM's memory, mapped by its QEMU" },
        ...{ claims: [], knownLimit: true },
        directives: [`memory ${qemuPid} only ${memoryBytes}`],
      },
    ];
  },
  collect: 'dmesg >kernel-log',
  plant: (vm) => [
    `stat -c %s ${l2VmPaths(vm).log} >log-size`,
    `echo "$c" >>${l2VmPaths(vm).log}`,
    'echo "$c" >/run/vsbypass-plant',
    'echo "$c" >/dev/kmsg',
    // QEMU's monitor remembers what was typed there.
    `echo "help $c" >/run/vm/${vm}/monitor.in`,
  ],
  unplant: (vm) => `rm -f /run/vsbypass-plant; truncate -s "$(cat log-size)" ${l2VmPaths(vm).log}`,
  tracer: kvmTracer,
  attacks: debugAttacks,
};
