/** Xen's trace buffers, read with xentrace(8): what Xen hands to the device model. Records: xen/include/public/trace.h. */
import { VsbError } from '../base/errors.js';
import type { Tracer } from './ground.js';
import { com1Accesses, type PortAccess, type TracedIo } from './trace.js';

const program = '/usr/lib/xen-4.17/bin/xentrace';
/** Subclass TRC_HVM_HANDLER. */
const handlers = 0x0008_2000;
export const portRead = handlers + 0x16;
export const portWrite = handlers + 0x216;
const lostRecords = 0x0001_f001;
/** How often, 0.1 s each, it is looked whether xentrace has begun, or ended. */
const rounds = 100;

const poll = (condition: string): string =>
  `n=${rounds}; until ${condition}; do [ $n -gt 0 ] || exit 1; n=$((n - 1)); usleep 100000; done`;

/**
 * Words of a shell that trace these events into a folder, and that end it and print what was traced.
 * @param mask classes and subclasses, as `xentrace -e` takes it
 */
export function xentrace(mask: number): {
  readonly start: (directory: string) => string;
  readonly stop: (directory: string) => string;
} {
  return {
    // -D: without what the buffers had before. It writes as soon as there is something, and then it traces.
    start: (directory) =>
      [
        `cd ${directory}`,
        `{ ${program} -D -e 0x${mask.toString(16)} trace </dev/null >/dev/null 2>&1 & echo $! >tracer; }`,
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
  };
}

export const xenTracer: Tracer = {
  ...xentrace(handlers),
  read: parseXenTrace,
  leave: (directory) => `[ ! -e ${directory}/tracer ] || kill -INT "$(cat ${directory}/tracer)"`,
};

export interface TraceRecord {
  /** The event's number. */
  readonly event: number;
  readonly words: readonly number[];
}

/**
 * Reads trace records: a word with the event (28 bits), the number of extra words (3) and whether a time stamp of two words
 * comes before these (1). A last one that was cut is left out.
 * @throws VsbError E_VERIFY when Xen had to drop records
 */
export function* traceRecords(trace: Buffer): Generator<TraceRecord> {
  for (let at = 0; at + 4 <= trace.length;) {
    const head = trace.readUInt32LE(at);
    const event = head & 0x0fff_ffff;
    const first = at + 4 + (head >>> 31) * 8;
    at = first + ((head >>> 28) & 7) * 4;
    if (at > trace.length) return;
    if (event === lostRecords) {
      const message = "L2's Xen has dropped trace records: its trace proves nothing";
      throw new VsbError('E_VERIFY', message, { layer: 'L2' });
    }
    const words: number[] = [];
    for (let word = first; word < at; word += 4) words.push(trace.readUInt32LE(word));
    yield { event, words };
  }
}

/**
 * What of it are a VM's port accesses.
 * @throws as traceRecords does
 */
export function parseXenTrace(trace: Buffer): TracedIo {
  const accesses: PortAccess[] = [];
  for (const { event, words } of traceRecords(trace)) {
    const [port, value] = words;
    if (port === undefined || value === undefined) continue;
    if (event === portRead) accesses.push({ direction: 'read', port, value });
    if (event === portWrite) accesses.push({ direction: 'write', port, value });
  }
  return com1Accesses(accesses);
}
