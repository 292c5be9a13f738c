import { describe, expect, it } from 'vitest';

import { runAttacks, type ActiveOptions } from '../../src/verify/active.js';
import { debugAttacks } from '../../src/verify/debug-stub.js';
import type { ActiveAttack } from '../../src/verify/ground.js';
import { judge } from '../../src/verify/verdict.js';
import { channels, phase } from '../rig/verify-evidence.js';

const attacks = debugAttacks('vm1');

/** An L1 that notices what `notices` says. */
function stage(notices: (attack: ActiveAttack) => number): ActiveOptions {
  const counts = { stepped: 3, breakpoints: 0, rewritten: 0 };
  return {
    seen: () => Promise.resolve({ ...counts }),
    carryOut: (attack) => {
      counts[attack.raises] += notices(attack);
      return Promise.resolve();
    },
    progress: () => undefined,
    signal: new AbortController().signal,
  };
}

describe('runAttacks', () => {
  it('tells of each attack how often L1 has seen it', async () => {
    const evidence = await runAttacks(
      attacks,
      stage(() => 7),
    );
    expect(evidence.map(({ name, seen }) => [name, seen])).toEqual([
      ['single-steps', 7],
      ['hardware-breakpoint', 7],
      ['software-breakpoint', 7],
    ]);
  });
});

describe('the verdict', () => {
  const evidence = attacks.map(({ name, method, raises }) => ({ name, method, raises, seen: 1 }));

  it('is not changed by attacks that were noticed', () => {
    const { verdict } = judge(channels, phase('baseline'), phase('shadow'), evidence);
    expect(verdict).toBe('protected');
  });

  it('says which was not', () => {
    const [first, ...others] = evidence;
    if (first === undefined) throw new Error('there are attacks');
    const missed = [{ ...first, seen: 0 }, ...others];
    expect(judge(channels, phase('baseline'), phase('shadow'), missed)).toEqual({
      verdict: 'inconclusive',
      reasons: ["L1 has not noticed single steps by QEMU's debug stub"],
    });
  });
});

describe('debugAttacks', () => {
  it("speaks GDB's protocol, and lets the VM go on", () => {
    const [steps] = attacks;
    expect(steps?.command).toContain("printf '+$s#73'");
    for (const { command } of attacks) {
      expect(command).toMatch(/printf '\+\$D#44'; sleep 1; \} \| nc/);
      expect(command).toContain("echo gdbserver none >'/run/vm/vm1/monitor.in'");
    }
  });
});
