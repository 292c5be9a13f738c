/** Xen's trace buffers, read with xentrace(8): what Xen hands to the device model. Records: xen/include/public/trace.h. */
import { VsbError } from '../errors/index.js';
import { com1Accesses, type PortAccess, type TracedIo } from './trace.js';
import type { Tracer } from './ground.js';

const program = '/usr/lib/xen-4.17/bin/xentrace';
/** Subclass TRC_HVM_HANDLER. */
const handlers = 0x0008_2000;
const portRead = handlers + 0x16;
const portWrite = handlers + 0x216;
const lostRecords = 0x0001_f001;
/** How often, 0.1 s each, it is looked whether xentrace has begun, or ended. */
const rounds = 100;

const poll = (condition: string): string =>
  `n=${rounds}; until ${condition}; do [ $n -gt 0 ] || exit 1; n=$((n - 1)); usleep 100000; done`;

export const xenTracer: Tracer = {
  // -D: without what the buffers had before. It writes as soon as there is something, and then it traces.
  start: (directory) =>
    [
      `cd ${directory}`,
      `{ ${program} -D -e 0x${handlers.toString(16)} trace </dev/null >/dev/null 2>&1 & echo $! >tracer; }`,
      poll('[ -s trace ]'),
    ].join(' && '),
  stop: (directory) =>
    [
      `cd ${directory}`,
      'pid=$(cat tracer)',
      'kill -INT "$pid"',
      poll('! kill -0 "$pid" 2>/dev/null'),
      'rm tracer',
      'cat trace',
      'rm trace',
    ].join(' && '),
  read: parseXenTrace,
  leave: (directory) => `[ ! -e ${directory}/tracer ] || kill -INT "$(cat ${directory}/tracer)"`,
};

/**
 * Reads trace records: a word with the event (28 bits), the number of extra words (3) and whether a time stamp of two words
 * comes before these (1).
 * @throws VsbError E_VERIFY when Xen had to drop records
 */
export function parseXenTrace(records: Buffer): TracedIo {
  const accesses: PortAccess[] = [];
  for (let at = 0; at + 4 <= records.length;) {
    const head = records.readUInt32LE(at);
    const event = head & 0x0fff_ffff;
    const extra = (head >>> 28) & 7;
    const first = at + 4 + (head >>> 31) * 8;
    at = first + extra * 4;
    if (at > records.length) break;
    if (event === lostRecords) {
      throw new VsbError(
        'E_VERIFY',
        "L2's Xen has dropped trace records: its trace proves nothing",
        {
          layer: 'L2',
        },
      );
    }
    if ((event !== portRead && event !== portWrite) || extra < 2) continue;
    accesses.push({
      direction: event === portRead ? 'read' : 'write',
      port: records.readUInt32LE(first),
      value: records.readUInt32LE(first + 4),
    });
  }
  return com1Accesses(accesses);
}
