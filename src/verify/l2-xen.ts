/** L2 = Xen, in whose dom0 the attacker is root. */
import { diskChannel, hostChannels, serialChannels } from './channels.js';
import type { L2Ground } from './ground.js';
import { lookUpByTool } from './vm-tool.js';
import { xenTracer } from './xen-trace.js';

const layer = 'L2';
const pageBytes = 4096;
const consoleLogs = '/var/log/xen/console';

/** What xl keeps of a domain's device model. */
function qemuLog(vm: string): string {
  return `/var/log/xen/qemu-dm-${vm}.log`;
}

export const l2Xen: L2Ground = {
  layer,
  workFolder: '/run',
  channels: (subject) => {
    const { vm, id, memoryBytes, directory } = subject;
    return [
      ...serialChannels(vm),
      {
        ...{ layer, name: 'serial-pty', method: '`xl console -t serial`' },
        claims: ['echoed', 'printed'],
        collected: 'received',
      },
      {
        ...{ layer, name: 'xentrace', method: 'port accesses handed to the device model, COM1' },
        claims: ['echoed', 'hidden', 'printed'],
        collected: 'traced',
      },
      {
        ...{ layer, name: 'qemu-log', method: `the device model's log, ${qemuLog(vm)}` },
        claims: [],
        directives: [`file ${qemuLog(vm)}`],
      },
      {
        ...{ layer, name: 'console-logs', method: `xenconsoled's logs, ${consoleLogs}` },
        claims: [],
        directives: [`tree ${consoleLogs}`],
      },
      {
        ...{ layer, name: 'xl-dmesg', method: "the hypervisor's console ring" },
        claims: [],
        directives: [`file ${directory}/xl-dmesg`],
      },
      ...hostChannels(subject),
      diskChannel,
      {
        ...{ layer, name: 'guest-ram', method: "the user VM's memory, mapped by dom0" },
        ...{ claims: [], knownLimit: true },
        directives: [`domain ${id} ${memoryBytes / pageBytes}`],
      },
    ];
  },
  lookUp: lookUpByTool,
  limitsMs: { command: 60_000, search: 180_000 },
  collect: 'dmesg >kernel-log; xl dmesg >xl-dmesg; cat piped >>xl-dmesg 2>/dev/null',
  plant: ({ vm }) => [
    `stat -c %s ${qemuLog(vm)} >log-size`,
    `echo "$c" >>${qemuLog(vm)}`,
    'echo "$c" >/run/vsbypass-plant',
    'echo "$c" >/dev/kmsg',
    'echo "$c" >piped',
    `echo "$c" >${consoleLogs}/vsbypass-plant`,
    // A device's name is something that QEMU keeps.
    `xl qemu-monitor-command ${vm} "chardev-add null,id=v$c"`,
    'echo "$c" >chardev',
  ],
  unplant: ({ vm }) =>
    [
      `xl qemu-monitor-command ${vm} "chardev-remove v$(cat chardev)"`,
      `rm -f /run/vsbypass-plant ${consoleLogs}/vsbypass-plant piped`,
      `truncate -s "$(cat log-size)" ${qemuLog(vm)}`,
    ].join('; '),
  attacks: () => [],
  tracer: xenTracer,
};
