import { describe, expect, it } from 'vitest';

import type { Running } from '../../src/machine/running.js';
import { signsOfLife } from '../../src/machine/signs-of-life.js';

/** A machine of which each sign can be set. */
function machine(): {
  readonly running: Running;
  l1: number;
  shown: number;
  reads: number;
  exits: bigint;
  answers: boolean;
} {
  const at = { l1: 1, shown: 2, reads: 3, exits: 4n, answers: true };
  const unlessSilent = <T>(value: T): Promise<T> =>
    at.answers ? Promise.resolve(value) : Promise.reject(new Error('no answer'));
  const running = {
    l1: {
      get bytes() {
        return at.l1;
      },
    },
    l2: { bytes: 0 },
    hub: { list: () => [{ history: { end: at.shown } }] },
    qmp: {
      execute: () => unlessSilent([{ stats: { rd_operations: at.reads, wr_operations: 0 } }]),
    },
    link: {
      vms: () => [{ slot: 0, generation: 1 }],
      vmCounters: () => unlessSilent({ exitsCom1: at.exits, exitsHlt: 0n, exitsOther: 0n }),
    },
  };
  return Object.assign(at, { running: running as unknown as Running });
}

describe('signsOfLife', () => {
  it('stay as they are while nothing happens', async () => {
    const at = machine();
    const before = await signsOfLife(at.running);
    expect(await signsOfLife(at.running)).toBe(before);
  });

  it.each(['l1', 'shown', 'reads', 'exits'] as const)('change with %s', async (sign) => {
    const at = machine();
    const before = await signsOfLife(at.running);
    if (sign === 'exits') at.exits += 1n;
    else at[sign] += 1;
    expect(await signsOfLife(at.running)).not.toBe(before);
  });

  it('are what still answers', async () => {
    const at = machine();
    at.answers = false;
    const before = await signsOfLife(at.running);
    expect(before).toBeDefined();
    at.l1 += 1;
    expect(await signsOfLife(at.running)).not.toBe(before);
  });

  it('are not known before QEMU can be asked', async () => {
    const running = { ...machine().running };
    delete running.qmp;
    expect(await signsOfLife(running)).toBeUndefined();
  });
});
