/** L2 = a system of the user's own with KVM, whose VMs libvirt runs. The attacker is root there. */
import { shellQuote } from '../host/ssh.js';
import { hostChannels, kvmTraceChannel, mappedGuestRam } from './channels.js';
import type { L2Ground, SoughtVm } from './ground.js';
import { kvmTracer } from './kvm-trace.js';

const layer = 'L2';
/** Where libvirt has what it keeps of a VM: virsh(1), and its QEMU driver's documentation, "Directories". */
const pidFile = (vm: string): string => `/run/libvirt/qemu/${vm}.pid`;
const log = (vm: string): string => `/var/log/libvirt/qemu/${vm}.log`;
const kibibyte = 1024;

/** libvirt knows it by UUID; the name in the configuration, if there is one, is ours. */
function lookUp({ name, uuid = name }: SoughtVm): string {
  return [
    "command -v virsh >/dev/null || { echo 'there is no virsh' >&2; exit 1; }",
    `vm=$(virsh domname ${shellQuote(uuid)})`,
    `virsh domid "$vm" | head -n 1`,
    `head -n 1 "${pidFile('$vm')}" && echo`,
    `LC_ALL=C virsh dominfo "$vm" | awk '/^Max memory:/ { printf "%d\\n", $3 * ${kibibyte} }'`,
    'printf "%s\\n" "$vm"',
  ].join(' && ');
}

export const libvirt: L2Ground = {
  layer,
  // Distributions mount /run, /tmp and /dev/shm so that nothing in them is run.
  workFolder: '/var/tmp',
  lookUp,
  // The slave side of the terminal that QEMU has made of the serial port: what `virsh console` opens.
  console: ({ vm }) =>
    [
      `tty=$(virsh ttyconsole ${shellQuote(vm)}) && [ -n "$tty" ] && stty -F "$tty" raw -echo`,
      '{ cat "$tty" & reader=$!; cat >"$tty"; kill "$reader"; }',
    ].join(' && '),
  channels: (subject) => [
    {
      ...{ layer, name: 'serial-pty', method: "the VM's serial console in libvirt" },
      claims: ['echoed', 'printed'],
      collected: 'received',
    },
    kvmTraceChannel,
    {
      ...{ layer, name: 'qemu-log', method: `what QEMU itself says, ${log(subject.vm)}` },
      claims: [],
      directives: [`file ${log(subject.vm)}`],
    },
    // Not its disks: what is on them is searched as files.
    ...hostChannels(subject),
    mappedGuestRam(subject),
  ],
  collect: 'dmesg >kernel-log',
  // A login has a whole system start a session, and a search has its files, from a disk that dom0's QEMU emulates.
  limitsMs: { command: 300_000, search: 900_000 },
  plant: ({ vm }) => [
    `stat -c %s ${shellQuote(log(vm))} >log-size`,
    `echo "$c" >>${shellQuote(log(vm))}`,
    'echo "$c" >/run/vsbypass-plant',
    'echo "$c" >/dev/kmsg',
    // A device's name is something that QEMU keeps.
    `virsh qemu-monitor-command ${shellQuote(vm)} --hmp "chardev-add null,id=v$c"`,
    'echo "$c" >chardev',
  ],
  unplant: ({ vm }) =>
    [
      `virsh qemu-monitor-command ${shellQuote(vm)} --hmp "chardev-remove v$(cat chardev)"`,
      `rm -f /run/vsbypass-plant`,
      `truncate -s "$(cat log-size)" ${shellQuote(log(vm))}`,
    ].join('; '),
  tracer: kvmTracer,
  attacks: () => [],
};
