/** Counts what Xen sees of its HVM guests, from its trace buffers. Events: xen/include/public/trace.h. */
import { isCom1 } from '../../verify/trace.js';
import { traceRecords, portRead, portWrite, xentrace } from '../../verify/xen-trace.js';
import { runForTrace, type ExitCounter } from './exit-counter.js';

/** Class TRC_HVM with the subclasses TRC_HVM_ENTRYEXIT and TRC_HVM_HANDLER. */
const hvm = 0x0008_3000;
/** TRC_HVM_VMEXIT and its twin for guests in long mode: exit code, RIP. */
const vmexits = [0x0008_1002, 0x0008_1102];
const injectedInterrupt = 0x0008_2004;
const directory = '/run/vsbypass-bench';

/** Of those that a console causes (AMD APM vol. 2, appendix C). */
const exitNames: Readonly<Record<number, string>> = {
  0x47: 'nm',
  0x60: 'interrupt',
  0x64: 'vintr',
  0x78: 'hlt',
  0x7b: 'io',
  0x7c: 'msr',
  0x81: 'vmmcall',
  0x400: 'npf',
};

export const xenExits: ExitCounter = {
  start: async (operator, signal) => {
    const command = `mkdir -p ${directory} && ${xentrace(hvm).start(directory)}`;
    await runForTrace(operator, command, signal);
  },
  stop: async (operator, signal) =>
    countRecords(await runForTrace(operator, xentrace(hvm).stop(directory), signal)),
};

/** @throws VsbError E_VERIFY when Xen had to drop records */
export function countRecords(trace: Buffer): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (event: string): void => void counts.set(event, (counts.get(event) ?? 0) + 1);
  for (const { event, words } of traceRecords(trace)) {
    const [first = 0] = words;
    if (vmexits.includes(event)) add(`vmexit ${exitNames[first] ?? `0x${first.toString(16)}`}`);
    else if (event === injectedInterrupt) add('interrupt injected');
    else if ((event === portRead || event === portWrite) && isCom1(first))
      add('port of COM1 to the device model');
  }
  return counts;
}
