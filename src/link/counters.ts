/** What the shadow hypervisor counts, in the order in which COUNTERS has it. */

const vmCounterNames = [
  'exitsCom1',
  'exitsHlt',
  'exitsOther',
  'bytesOut',
  'bytesIn',
  'rings',
  'reRings',
  'doorbellExits',
  'irqAsserts',
  'haltsCaptured',
  'txOverruns',
  'rxOverruns',
  'refusedWide',
  'stringAccesses',
  'heartbeatQuirks',
  'vcpus',
  'linesTold',
  'directInterrupts',
  'directUnanswered',
  'stepped',
  'breakpoints',
  'rewritten',
] as const;

const globalCounterNames = [
  'framesIn',
  'framesBadCrc',
  'framesOversize',
  'framesBadEscape',
  'framesStale',
  'framesUnknown',
  'framesOut',
  'resends',
  'vmsSeen',
  'vmsRefused',
  'accessesRefused',
  'uptimeNs',
  'ultracalls',
  'ultracallWaits',
] as const;

/** What the hypervisor counted for one VM since its slot was given to it. */
export type VmCounters = Readonly<Record<(typeof vmCounterNames)[number], number>>;
/** What the hypervisor counted since it started; uptimeNs in nanoseconds. */
export type GlobalCounters = Readonly<Record<(typeof globalCounterNames)[number], number>>;

/** Names the values in their order; a newer hypervisor may send more, a missing one reads 0. */
function named<Name extends string>(
  names: readonly Name[],
  values: readonly bigint[],
): Readonly<Record<Name, number>> {
  return Object.fromEntries(
    names.map((name, index) => [name, Number(values[index] ?? 0n)]),
  ) as Record<Name, number>;
}

export function vmCountersOf(values: readonly bigint[]): VmCounters {
  return named(vmCounterNames, values);
}

export function globalCountersOf(values: readonly bigint[]): GlobalCounters {
  return named(globalCounterNames, values);
}
