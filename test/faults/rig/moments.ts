/** Random moments, the same again for the same seed. */
import { createHash } from 'node:crypto';

import { inject } from 'vitest';

import { seededRandom, type Random } from '../../../src/bench/statistics/random.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** FAULT_SEED, else another one for each run. */
    readonly faultSeed: number;
    /** FAULT_ROUNDS: how often something is killed in all. */
    readonly faultRounds: number;
  }
}

/** Numbers of one user: what another one draws, or how often, does not change them. */
export function randomOf(user: string): Random {
  return seededRandom(
    createHash('sha256')
      .update(`${inject('faultSeed')} ${user}`)
      .digest()
      .readInt32LE(),
  );
}

export const victims = ['daemon', 'qemu', 'cli'] as const;
export type Victim = (typeof victims)[number];

export interface Kill {
  readonly victim: Victim;
  /** Of the time that what is hit takes. */
  readonly share: number;
  readonly round: number;
}

/** Each victim in turn, at random moments; `outOfTwenty` of twenty kills are of this kind. */
export function kills(user: string, outOfTwenty: number): Kill[] {
  const random = randomOf(user);
  const count = Math.max(1, Math.round((inject('faultRounds') * outOfTwenty) / 20));
  return Array.from({ length: count }, (_, index) => ({
    victim: victims[index % victims.length] as Victim,
    share: random(),
    round: index + 1,
  }));
}
