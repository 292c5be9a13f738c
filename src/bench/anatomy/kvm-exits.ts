/** Counts what KVM in L2, or of the KVM host, sees of its user VMs: exits by reason, interrupts, exits to QEMU. */
import { com1 } from '../../verify/trace.js';
import { enterTracefs, leaveTracefs } from '../../verify/tracefs.js';
import { runForTrace, type ExitCounter } from './exit-counter.js';

const marker = '/run/vsbypass-bench/mounted';
const events = ['kvm_exit', 'kvm_pio', 'kvm_userspace_exit', 'kvm_inj_virq'] as const;
/** For each CPU, KiB: some ten thousand events. */
const bufferKiB = 8192;
const each = (value: number): string =>
  events.map((event) => `echo ${value} >events/kvm/${event}/enable`).join(' && ');

/** What a line of the trace counts as: `EVENT`, or `kvm_exit REASON`. */
const count =
  `awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^kvm_[a-z_]+:$/) { k = $i; sub(":", "", k); ` +
  `if (k == "kvm_exit") for (j = i; j <= NF; j++) if ($j == "reason") k = k " " $(j + 1); n[k]++; break } } ` +
  `END { for (k in n) print n[k], k }' trace`;

export const kvmExits: ExitCounter = {
  start: async (operator, signal) => {
    const filter = `port >= ${com1.first} && port <= ${com1.last}`;
    await runForTrace(
      operator,
      [
        enterTracefs(marker),
        `echo ${bufferKiB} >buffer_size_kb`,
        'echo >trace',
        `echo '${filter}' >events/kvm/kvm_pio/filter`,
        each(1),
        'echo 1 >tracing_on',
      ].join(' && '),
      signal,
    );
  },
  stop: async (operator, signal) => {
    const leave = `cd / && { ${leaveTracefs(marker)}; rm -f ${marker}; }`;
    const command = [enterTracefs(marker), each(0), count, 'echo >trace', leave].join(' && ');
    return parseCounts((await runForTrace(operator, command, signal)).toString());
  },
};

/** `COUNT EVENT` lines. */
export function parseCounts(text: string): Map<string, number> {
  return new Map(
    [...text.matchAll(/^(\d+) (kvm_.+)$/gm)].map(([, number, event = '']) => [
      event === 'kvm_pio' ? 'kvm_pio at COM1' : event,
      Number(number),
    ]),
  );
}
