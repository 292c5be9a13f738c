/** Linux's tracepoint kvm_pio (arch/x86/kvm/trace.h): what KVM hands to QEMU. */
import { com1, com1Accesses, type PortAccess, type TracedIo } from './trace.js';
import type { Tracer } from './ground.js';
import { enterTracefs, kvmEvents, leaveTracefs } from './tracefs.js';

const line = /\bkvm_pio: pio_(read|write) at 0x([0-9a-f]+) size \d+ count \d+ val 0x([0-9a-f]+)/g;

export const kvmTracer: Tracer = {
  start: (directory) =>
    [
      enterTracefs(`${directory}/mounted`),
      'echo 0 >events/kvm/kvm_pio/enable',
      'echo >trace',
      `echo 'port >= ${com1.first} && port <= ${com1.last}' >events/kvm/kvm_pio/filter`,
      'echo 1 >events/kvm/kvm_pio/enable',
      'echo 1 >tracing_on',
    ].join(' && '),
  stop: (directory) =>
    `${enterTracefs(`${directory}/mounted`)} && echo 0 >events/kvm/kvm_pio/enable && cat trace && echo >trace`,
  read: (output) => parseKvmTrace(output.toString('latin1')),
  leave: (directory) =>
    [
      `{ cd ${kvmEvents}/kvm_pio 2>/dev/null && { echo 0 >enable; echo 0 >filter; }; cd /; }`,
      `{ ${leaveTracefs(`${directory}/mounted`)}; }`,
    ].join('; '),
};

/** Reads the text of tracefs' `trace`. */
export function parseKvmTrace(text: string): TracedIo {
  const accesses = [...text.matchAll(line)].map(
    ([, direction, port = '', value = '']): PortAccess => ({
      direction: direction === 'read' ? 'read' : 'write',
      port: parseInt(port, 16),
      value: parseInt(value, 16),
    }),
  );
  return com1Accesses(accesses);
}
