/** What a run measures: cells and their sizes for each mode. Pure. */
import type { Subject } from './lab.js';
import type { Cell, MeasureName } from './measures/cell.js';
import { responseCell, type ResponseState } from './measures/response.js';
import { throughputCell, type Flow } from './measures/throughput.js';
import { endKinds, type EndKind } from './ends/end.js';
import type { Random } from './statistics/random.js';

export const modes = ['quick', 'normal', 'full'] as const;
export type Mode = (typeof modes)[number];

/** How much of everything. */
export interface Sizes {
  /** Keys of a cell, and of one turn of it. */
  readonly keys: number;
  readonly keysPerTurn: number;
  /** Runs of a throughput cell, and what one should take, milliseconds. */
  readonly runs: number;
  readonly runMs: number;
  readonly sideCosts: number;
  /** Whether everything is measured at both ends; else the loaded user VM, printk and paste at the stream only. */
  readonly allEnds: boolean;
  /** No turn begins after so long, milliseconds. */
  readonly limitMs: number;
}

const sizes: Readonly<Record<Mode, Sizes>> = {
  quick: {
    ...{ keys: 30, keysPerTurn: 15, runs: 3, runMs: 2000, sideCosts: 2, allEnds: false },
    limitMs: 225_000,
  },
  normal: {
    ...{ keys: 200, keysPerTurn: 25, runs: 10, runMs: 4000, sideCosts: 5, allEnds: true },
    limitMs: Number.POSITIVE_INFINITY,
  },
  full: {
    ...{ keys: 400, keysPerTurn: 25, runs: 20, runMs: 6000, sideCosts: 10, allEnds: true },
    limitMs: Number.POSITIVE_INFINITY,
  },
};

export function sizesOf(mode: Mode, samples: number | undefined): Sizes {
  const own = sizes[mode];
  return samples === undefined ? own : { ...own, keys: samples };
}

export interface PlanInputs {
  readonly subjects: readonly Subject[];
  readonly mode: Mode;
  readonly sizes: Sizes;
  readonly measures: ReadonlySet<MeasureName>;
  readonly random: Random;
}

export function planCells({ subjects, mode, sizes: size, measures, random }: PlanInputs): Cell[] {
  return subjects.flatMap(({ configuration, ends }) => {
    const cells: Cell[] = [];
    const both = (wanted: boolean): readonly EndKind[] => (wanted ? endKinds : ['stream']);
    if (measures.has('response')) {
      const add = (state: ResponseState, kinds: readonly EndKind[], keys: number): void => {
        for (const kind of kinds) {
          const options = { configuration, end: ends[kind], state, random };
          const perTurn = Math.min(keys, state === 'silent' ? 3 : size.keysPerTurn);
          cells.push(responseCell({ ...options, wanted: keys, keys: perTurn }));
        }
      };
      add('idle', endKinds, size.keys);
      add('loaded', both(size.allEnds), size.keys);
      if (mode === 'full') add('silent', ['stream'], 30);
    }
    if (measures.has('throughput')) {
      const add = (flow: Flow, kinds: readonly EndKind[]): void => {
        for (const kind of kinds) {
          const options = { configuration, end: ends[kind], flow };
          cells.push(throughputCell({ ...options, wanted: size.runs, targetMs: size.runMs }));
        }
      };
      add('cat', endKinds);
      add('printk', both(size.allEnds));
      add('paste', both(size.allEnds));
    }
    return cells;
  });
}
