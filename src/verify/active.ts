/** Plays the operator who does more than look on: what he does is seen, or the verdict says that it was not. */
import { setTimeout as delay } from 'node:timers/promises';

import type { ActiveEvidence } from '../contract/evidence.js';
import type { EvidenceKind } from '../contract/watched.js';
import type { ActiveAttack } from './ground.js';

/** What L1 has counted reaches L0 when it is asked for: a second look is for a VM that had not run again yet. */
const looks = 10;
const betweenLooksMs = 1000;

export interface ActiveOptions {
  /** How often L1 has seen each kind, at this VM. */
  readonly seen: (signal: AbortSignal) => Promise<Readonly<Record<EvidenceKind, number>>>;
  readonly carryOut: (attack: ActiveAttack) => Promise<void>;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** @throws what the two calls throw; the signal's reason */
export async function runAttacks(
  attacks: readonly ActiveAttack[],
  { seen, carryOut, progress, signal }: ActiveOptions,
): Promise<ActiveEvidence[]> {
  const evidence: ActiveEvidence[] = [];
  for (const attack of attacks) {
    const { name, method, raises } = attack;
    progress(`active: ${method}`);
    const before = (await seen(signal))[raises];
    await carryOut(attack);
    let count = 0;
    for (let look = 0; look < looks && count === 0; look++) {
      if (look > 0) await delay(betweenLooksMs, undefined, { signal });
      count = (await seen(signal))[raises] - before;
    }
    evidence.push({ name, method, raises, seen: count });
  }
  return evidence;
}
