/** What a series of boots has shown, as data. */
import { quantileSorted } from 'simple-statistics';

export interface PhaseTime {
  readonly phase: string;
  readonly ms: number;
}

export interface Boot {
  /** From 1 on. */
  readonly number: number;
  /** Those that it got through, in their order. */
  readonly phases: readonly PhaseTime[];
  readonly ms: number;
  /** Why it did not reach the login. */
  readonly failure?: {
    readonly code: string;
    readonly message: string;
    /** Where its evidence is. */
    readonly evidence: string;
  };
}

/** Milliseconds. */
export interface Distribution {
  readonly phase: string;
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly p95: number;
  readonly max: number;
}

/** The whole of a boot, beside its phases. */
export const allPhases = 'all';

/** Of each phase in its order, and of whole boots that reached the login. */
export function distributions(boots: readonly Boot[]): Distribution[] {
  const times = new Map<string, number[]>();
  const add = (phase: string, ms: number): void => {
    const known = times.get(phase);
    if (known === undefined) times.set(phase, [ms]);
    else known.push(ms);
  };
  for (const boot of boots) for (const { phase, ms } of boot.phases) add(phase, ms);
  for (const { failure, ms } of boots) if (failure === undefined) add(allPhases, ms);
  return [...times].map(([phase, samples]) => distribution(phase, samples));
}

function distribution(phase: string, samples: readonly number[]): Distribution {
  const values = [...samples].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(quantileSorted(values, share));
  return { phase, count: values.length, min: at(0), median: at(0.5), p95: at(0.95), max: at(1) };
}

export function reached(boots: readonly Boot[]): number {
  return boots.filter(({ failure }) => failure === undefined).length;
}
