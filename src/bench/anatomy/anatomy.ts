/**
 * Why it is as fast as it is: what one echoed key and one written byte cause in which layer. A long and a
 * short script are played, and their difference is told: what begins and ends a script falls out of it.
 */
import type { L2Kind } from '../../config/schema.js';
import { expect, pause, send, type Step } from '../ends/end.js';
import type { Subject } from '../lab.js';
import { interrupt, newMark, run, toPrompt } from '../measures/guest.js';
import { lineBytes, textCommand } from '../measures/text.js';
import type { Anatomy } from '../results.js';
import type { ExitCounter } from './exit-counter.js';
import { kvmExits } from './kvm-exits.js';
import { xenExits } from './xen-exits.js';

const limitMs = 60_000;
/** Keys, and lines of text, of the short and of the long script. */
const keys = { short: 4, long: 14 } as const;
const lines = { short: 6, long: 26 } as const;
const gapMs = 60;

type Counts = ReadonlyMap<string, number>;

const exitCounters: Readonly<Record<L2Kind, ExitCounter>> = { kvm: kvmExits, xen: xenExits };

/** @throws VsbError when it cannot be counted; the signal's reason */
export async function dissect(subject: Subject, signal: AbortSignal): Promise<Anatomy[]> {
  const count = async (steps: Step[]): Promise<Counts> => await countOf(subject, steps, signal);
  const bytes = (lines.long - lines.short) * lineBytes;
  return [
    anatomyOf(subject, 'key', keys.long - keys.short, [
      await count(keySteps(keys.short)),
      await count(keySteps(keys.long)),
    ]),
    anatomyOf(subject, 'byte', bytes, [
      await count(byteSteps(lines.short)),
      await count(byteSteps(lines.long)),
    ]),
  ];
}

function keySteps(count: number): Step[] {
  const go = newMark('go');
  const typed = Array.from({ length: count }, () => [
    ...[pause(gapMs), send('x'), expect('x', limitMs)],
  ]).flat();
  const begin = [send(`${go.command}; cat >/dev/null\r`), expect(go.text, limitMs), pause(200)];
  return [...toPrompt(), ...begin, ...typed, ...interrupt()];
}

function byteSteps(count: number): Step[] {
  // The file is the same for both: only what is shown of it differs.
  const file = '/tmp/anatomy';
  return [
    ...toPrompt(),
    ...run(`[ -e ${file} ] || ${textCommand(lines.long, file)}`),
    ...run(`head -n ${count} ${file}`, limitMs),
  ];
}

async function countOf(
  { configuration, stack, ends }: Subject,
  steps: readonly Step[],
  signal: AbortSignal,
): Promise<Counts> {
  const before = await hypervisorCounts(stack, configuration.vm, signal);
  const counter = exitCounters[configuration.l2];
  await counter.start(stack.operator, signal);
  let traced: Counts;
  try {
    await ends.stream.play(steps, signal);
  } finally {
    traced = await counter.stop(stack.operator, signal);
  }
  const after = await hypervisorCounts(stack, configuration.vm, signal);
  return new Map([
    ...[...after].map(([name, value]): [string, number] => [name, value - (before.get(name) ?? 0)]),
    ...traced,
  ]);
}

/** Marks what L1 has counted. */
const hypervisor = 'L1 ';

async function hypervisorCounts(
  { shadow }: Subject['stack'],
  vm: string,
  signal: AbortSignal,
): Promise<Counts> {
  const counters = (await shadow?.counters(signal))?.vms.find(({ name }) => name === vm)?.counters;
  const told = Object.entries(counters ?? {}).filter(([name]) => name !== 'vcpus');
  return new Map(told.map(([name, value]) => [`${hypervisor}${name}`, value]));
}

/** What the long script has more of than the short one; nothing of what did not happen. */
export function anatomyOf(
  { configuration }: Pick<Subject, 'configuration'>,
  per: Anatomy['per'],
  units: number,
  [short, long]: readonly [Counts, Counts],
): Anatomy {
  const events = [...long]
    .map(([name, count]) => {
      const isOfL1 = name.startsWith(hypervisor);
      return {
        layer: isOfL1 ? ('L1' as const) : ('L2' as const),
        event: isOfL1 ? name.slice(hypervisor.length) : name,
        count: Math.max(0, count - (short.get(name) ?? 0)),
      };
    })
    .filter(({ count }) => count > 0)
    .sort((a, b) => a.layer.localeCompare(b.layer) || b.count - a.count);
  return { configuration: configuration.id, per, units, events };
}
