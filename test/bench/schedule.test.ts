import { beforeEach, describe, expect, it } from 'vitest';

import type { Cell } from '../../src/bench/measures/cell.js';
import { Schedule } from '../../src/bench/schedule.js';
import { seededRandom } from '../../src/bench/statistics/random.js';

const cell = (configuration: string, state: string, wanted: number): Cell => ({
  measure: 'response',
  configuration,
  end: 'stream',
  state,
  ...{ unit: 'ms', better: 'lower', wanted, guessMs: 1000, perTurn: 1 },
  turn: () => Promise.resolve([1]),
});

let cells: Cell[];
let schedule: Schedule;
beforeEach(() => {
  cells = ['a', 'b'].flatMap((stack) => [cell(stack, 'idle', 4), cell(stack, 'loaded', 4)]);
  schedule = new Schedule(cells, ({ configuration }) => configuration, seededRandom(1));
});

/** The cells of so many turns, each of which gives one sample. */
function play(turns: number): Cell[] {
  return Array.from({ length: turns }, () => {
    const next = schedule.next();
    if (next === undefined) throw new Error('nothing is left');
    schedule.done(next, 1, 500);
    return next;
  });
}

describe('Schedule', () => {
  it('gives each cell one turn in a round, and each stack its turns together', () => {
    const rounds = Array.from({ length: 4 }, () => play(4));
    for (const round of rounds) {
      expect(new Set(round)).toEqual(new Set(cells));
      const stacks = round.map(({ configuration }) => configuration);
      expect(stacks[0]).toBe(stacks[1]);
      expect(stacks[2]).toBe(stacks[3]);
    }
    expect(schedule.next()).toBeUndefined();
  });

  it('changes the order from round to round', () => {
    const orders = Array.from({ length: 4 }, () => play(4).map((one) => cells.indexOf(one)));
    expect(new Set(orders.map(String)).size).toBeGreaterThan(1);
  });

  it('gives a cell up after three failures one after the other, and none that recovers', () => {
    const [bad] = cells as [Cell];
    expect(schedule.failed(bad, 1)).toBe(false);
    expect(schedule.failed(bad, 1)).toBe(false);
    schedule.done(bad, 1, 1);
    expect(schedule.failed(bad, 1)).toBe(false);
    expect(schedule.failed(bad, 1)).toBe(false);
    expect(schedule.failed(bad, 1)).toBe(true);
    expect(play(12)).not.toContain(bad);
    expect(schedule.next()).toBeUndefined();
  });

  it('knows what is left: by the guess first, then by what turns have taken', () => {
    expect(schedule.remainingMs()).toBe(16_000);
    play(4);
    expect(schedule.remainingMs()).toBe(6000);
  });
});
