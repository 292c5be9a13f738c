/** L2 = Linux with KVM, of which the attacker is root. */
import { l2VmPaths } from '../layers/l2-paths.js';
import {
  diskChannel,
  hostChannels,
  kvmTraceChannel,
  mappedGuestRam,
  serialChannels,
} from './channels.js';
import { debugAttacks } from './debug-stub.js';
import type { L2Ground } from './ground.js';
import { kvmTracer } from './kvm-trace.js';
import { lookUpByTool } from './vm-tool.js';

const layer = 'L2';

export const l2Kvm: L2Ground = {
  layer,
  workFolder: '/run',
  channels: (subject) => {
    const { vm } = subject;
    const { log } = l2VmPaths(vm);
    return [
      ...serialChannels(vm),
      {
        ...{ layer, name: 'serial-socket', method: "a reader at the socket of QEMU's serial port" },
        claims: ['echoed', 'printed'],
        collected: 'received',
      },
      kvmTraceChannel,
      {
        ...{ layer, name: 'qemu-log', method: `what QEMU itself says, ${log}` },
        claims: [],
        directives: [`file ${log}`],
      },
      ...hostChannels(subject),
      diskChannel,
      mappedGuestRam(subject),
    ];
  },
  lookUp: lookUpByTool,
  collect: 'dmesg >kernel-log',
  limitsMs: { command: 60_000, search: 180_000 },
  plant: ({ vm }) => [
    `stat -c %s ${l2VmPaths(vm).log} >log-size`,
    `echo "$c" >>${l2VmPaths(vm).log}`,
    'echo "$c" >/run/vsbypass-plant',
    'echo "$c" >/dev/kmsg',
    // QEMU's monitor remembers what was typed there.
    `echo "help $c" >/run/vm/${vm}/monitor.in`,
  ],
  unplant: ({ vm }) =>
    `rm -f /run/vsbypass-plant; truncate -s "$(cat log-size)" ${l2VmPaths(vm).log}`,
  tracer: kvmTracer,
  attacks: debugAttacks,
};
