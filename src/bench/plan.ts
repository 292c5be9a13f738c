/** What a run measures: cells and their sizes for each mode. Pure. */
import type { Subject } from './lab.js';
import type { Cell, MeasureName } from './measures/cell.js';
import { accessCell } from './measures/access.js';
import { gatewayCells } from './measures/gateway.js';
import { responseCell, type ResponseState } from './measures/response.js';
import { sideCostCell } from './measures/side-costs.js';
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
  /** Runs of a throughput cell, of one turn of it, and what one should take, milliseconds. */
  readonly runs: number;
  readonly runsPerTurn: number;
  readonly runMs: number;
  /** Pieces of work for each state of a console, and what one should take, milliseconds. */
  readonly sideCosts: number;
  readonly workMs: number;
  /** Whether printk and paste are measured, too, and the loaded user VM at both ends; else that at the stream only. */
  readonly thorough: boolean;
  /** No turn begins so long after the first one, milliseconds. */
  readonly limitMs: number;
}

const sizes: Readonly<Record<Mode, Sizes>> = {
  quick: {
    ...{
      keys: 30,
      // One turn for each cell: to begin one takes a nested system seconds.
      keysPerTurn: 30,
      runs: 3,
      runsPerTurn: 3,
      runMs: 1000,
      sideCosts: 1,
      workMs: 700,
      thorough: false,
    },
    // Five minutes with the start and the end of all machines of L2 = KVM.
    limitMs: 220_000,
  },
  normal: {
    ...{
      keys: 200,
      keysPerTurn: 25,
      runs: 10,
      runsPerTurn: 1,
      runMs: 4000,
      sideCosts: 5,
      workMs: 2000,
      thorough: true,
    },
    limitMs: Number.POSITIVE_INFINITY,
  },
  full: {
    ...{
      keys: 400,
      keysPerTurn: 25,
      runs: 20,
      runsPerTurn: 1,
      runMs: 6000,
      sideCosts: 10,
      workMs: 3000,
      thorough: true,
    },
    limitMs: Number.POSITIVE_INFINITY,
  },
};

export function sizesOf(mode: Mode, samples: number | undefined): Sizes {
  const own = sizes[mode];
  return samples === undefined ? own : { ...own, keys: samples };
}

export interface PlanInputs {
  /** For accesses: typed into user VMs. */
  readonly uartAccess: Buffer;
  readonly subjects: readonly Subject[];
  /** The configuration whose gateway is measured by itself, if it is. */
  readonly gateway: string | undefined;
  readonly mode: Mode;
  readonly sizes: Sizes;
  readonly measures: ReadonlySet<MeasureName>;
  readonly random: Random;
}

export function planCells(inputs: PlanInputs): Cell[] {
  const { subjects, mode, sizes: size, measures, random } = inputs;
  const own =
    inputs.gateway === undefined || !measures.has('gateway')
      ? []
      : gatewayCells({
          ...{ configuration: inputs.gateway, runs: size.runs, keys: size.keys, random },
        });
  const others = subjects.flatMap((subject) => {
    const { configuration, ends } = subject;
    const cells: Cell[] = [];
    if (measures.has('response')) {
      const add = (state: ResponseState, kinds: readonly EndKind[], keys: number): void => {
        for (const kind of kinds) {
          const options = { configuration, end: ends[kind], state, random };
          const perTurn = Math.min(keys, state === 'silent' ? 3 : size.keysPerTurn);
          cells.push(responseCell({ ...options, wanted: keys, keys: perTurn }));
        }
      };
      add('idle', endKinds, size.keys);
      add('loaded', size.thorough ? endKinds : ['stream'], size.keys);
      if (mode === 'full') add('silent', ['stream'], 30);
    }
    if (measures.has('throughput')) {
      const { runs: wanted, runsPerTurn: runs, runMs: targetMs } = size;
      const flows: readonly Flow[] = size.thorough ? ['cat', 'printk', 'paste'] : ['cat'];
      for (const flow of flows) {
        for (const kind of endKinds) {
          const options = { configuration, end: ends[kind], flow };
          cells.push(throughputCell({ ...options, wanted, runs, targetMs }));
        }
      }
    }
    if (measures.has('anatomy')) {
      const options = { configuration, end: ends.stream, program: inputs.uartAccess };
      cells.push(accessCell({ ...options, wanted: size.runs }));
    }
    if (measures.has('side-costs')) cells.push(...sideCosts(subject, subjects, size));
    return cells;
  });
  return [...others, ...own];
}

/** The worker is another user VM of the same stack; where there is none, the VM itself, with its console idle. */
function sideCosts(
  { configuration, stack, ends }: Subject,
  subjects: readonly Subject[],
  size: Sizes,
): Cell[] {
  const neighbour = subjects.find(
    (other) => other.stack === stack && other.configuration.vm !== configuration.vm,
  );
  const all = ['idle', 'attached', 'typed', 'flooded'] as const;
  return (['cpu', 'io'] as const).flatMap((work) =>
    (neighbour === undefined ? all.slice(0, 1) : all).map((disturbance) =>
      sideCostCell({
        ...{ configuration, work, disturbance },
        ...{ console: ends.ssh, worker: (neighbour?.ends ?? ends).stream },
        ...{ wanted: size.sideCosts, targetMs: size.workMs },
      }),
    ),
  );
}
