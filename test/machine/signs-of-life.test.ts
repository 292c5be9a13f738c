import { describe, expect, it } from 'vitest';

import type { Running } from '../../src/machine/running.js';
import { SignsOfLife, type Signs } from '../../src/machine/signs-of-life.js';

/** A machine of which each sign can be set. */
function machine(): {
  readonly running: Running;
  l1: number;
  shown: number;
  reads: number;
  exits: number;
  halts: number;
  answers: boolean;
} {
  const at = { l1: 1, shown: 2, reads: 3, exits: 4, halts: 5, answers: true };
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
    machine: {
      isOpen: true,
      process: { identity: { pid: 0x7fff_ffff } },
      diskRequests: () => unlessSilent(at.reads),
    },
    link: {
      vms: () => [{ slot: 0, generation: 1 }],
      vmCounters: () => unlessSilent({ exitsCom1: 0, exitsHlt: at.halts, exitsOther: at.exits }),
    },
  };
  return Object.assign(at, { running: running as unknown as Running });
}

describe('SignsOfLife', () => {
  it('stay as they are while nothing happens', async () => {
    const at = machine();
    const life = new SignsOfLife();
    const before = await life.look(at.running);
    expect(await life.look(at.running)).toEqual(before);
  });

  it.each(['l1', 'shown', 'reads', 'exits'] as const)('change with %s', async (sign) => {
    const at = machine();
    const life = new SignsOfLife();
    const before = await life.look(at.running);
    at[sign] += 1;
    const after = await life.look(at.running);
    expect(after?.any).not.toBe(before?.any);
    expect(after?.work).not.toBe(before?.work);
  });

  it('call it no work when a user VM halts all the time, and work again when it has stopped', async () => {
    const at = machine();
    const life = new SignsOfLife();
    const look = async (exits: number, halts: number): Promise<Signs | undefined> => {
      at.exits += exits;
      at.halts += halts;
      return await life.look(at.running);
    };
    const before = await look(1000, 1);
    const waits = await look(300, 100);
    expect(waits?.any).not.toBe(before?.any);
    expect(waits?.work).toBe(before?.work);
    const works = await look(300, 2);
    expect(works?.work).not.toBe(before?.work);
  });

  it('are what still answers', async () => {
    const at = machine();
    at.answers = false;
    const life = new SignsOfLife();
    const before = await life.look(at.running);
    expect(before).toBeDefined();
    at.l1 += 1;
    expect((await life.look(at.running))?.work).not.toBe(before?.work);
  });

  it('are not known before the machine can be asked', async () => {
    const { running } = machine();
    Object.assign(running.machine, { isOpen: false });
    expect(await new SignsOfLife().look(running)).toBeUndefined();
  });
});
