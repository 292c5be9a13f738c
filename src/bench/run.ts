/** Carries a benchmark out: the lab, the turns of all cells, the anatomy; keeps what was measured, whatever ends it. */
import { VsbError, messageOf } from '../base/errors.js';
import { l2Kinds, type L2Kind } from '../config/schema.js';
import type { BootEvent } from '../contract/events.js';
import { dissect } from './anatomy/anatomy.js';
import type { Configuration } from './configurations/configuration.js';
import type { BenchEvent } from './events.js';
import { Lab, type LabInputs, type Subject } from './lab.js';
import { keyOf, VoidRun, type Cell, type MeasureName } from './measures/cell.js';
import { planCells, sizesOf, type Mode } from './plan.js';
import { Recording } from './recording.js';
import type { Environment, Results } from './results.js';
import { measureScale, scaled } from './scale.js';
import { Schedule } from './schedule.js';
import { seededRandom } from './statistics/random.js';

export interface BenchOptions {
  readonly mode: Mode;
  readonly measures: ReadonlySet<MeasureName>;
  readonly configurations: readonly Configuration[];
  /** Those of them that are not to be measured, with the reason. */
  readonly leftOut: ReadonlyMap<string, string>;
  /** Keys of each response cell, where not what the mode says. */
  readonly samples: number | undefined;
  readonly environment: Environment;
  readonly lab: Omit<LabInputs, 'emit' | 'signal'>;
  readonly emit: (event: BenchEvent) => void;
  /** Keeps what was measured so far. */
  readonly save: (results: Results) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Runs it. When it is interrupted, or a limit of time comes, the results say so and have what was measured by then.
 * @throws VsbError when nothing could be brought up; the signal's reason when it aborts before anything was measured
 */
export async function runBench(options: BenchOptions): Promise<Results> {
  const { signal, emit } = options;
  const start = performance.now();
  const lab = await Lab.open(labFor(options), { ...options.lab, signal, emit });
  try {
    const record = new Recording(options, lab, start);
    try {
      if (options.measures.has('anatomy')) await dissectAll(options, lab, record);
      await takeTurns(options, lab, record);
      await scaleUp(options, lab, record);
    } catch (error) {
      if (!signal.aborted) throw error;
      record.end(messageOf(signal.reason));
    }
    const results = record.results();
    await options.save(results);
    return results;
  } finally {
    emit({ type: 'note', text: 'ending all machines' });
    await lab.close();
  }
}

type Chosen = Pick<BenchOptions, 'configurations' | 'leftOut' | 'measures'>;

const measuredOf = ({ configurations, leftOut }: Chosen): Configuration[] =>
  configurations.filter(({ id }) => !leftOut.has(id));

/** What is not measured in the lab: the gateway by itself needs no machine, scale has a testbed of its own. */
const elsewhere: readonly MeasureName[] = ['gateway', 'scale'];

/** The configurations that are brought up in the lab. */
function labFor(chosen: Chosen): Configuration[] {
  const { measures } = chosen;
  return [...measures].some((one) => !elsewhere.includes(one)) ? measuredOf(chosen) : [];
}

/** The configuration that is scaled, when it is. */
function scaledOf(chosen: Chosen): Configuration[] {
  const { measures } = chosen;
  return measures.has('scale') ? measuredOf(chosen).filter(({ id }) => id === scaled) : [];
}

/** The kinds of L2 that are booted. */
export function kindsFor(chosen: Chosen): L2Kind[] {
  const booted = [...labFor(chosen), ...scaledOf(chosen)];
  return l2Kinds.filter((kind) => booted.some(({ l2 }) => l2 === kind));
}

/** Counted once: counts are no samples. */
async function dissectAll(
  { signal, emit }: BenchOptions,
  lab: Lab,
  record: Recording,
): Promise<void> {
  for (const subject of lab.subjects) {
    const what = `anatomy of ${subject.configuration.id}`;
    emit({ type: 'note', text: what });
    try {
      await lab.enter(subject, signal);
      record.dissected(await dissect(subject, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof VsbError)) throw error;
      emit({ type: 'failure', what, reason: error.message });
    }
  }
}

/** On a testbed of its own, while the others stand still. */
async function scaleUp(options: BenchOptions, lab: Lab, record: Recording): Promise<void> {
  const { signal, emit } = options;
  if (scaledOf(options).length === 0) return;
  await lab.enter(undefined, signal);
  const report = (event: BootEvent): void => emit({ type: 'boot', stack: 'scale', event });
  const stack = { ...options.lab, signal, report };
  try {
    await measureScale({
      ...{ stack, keys: 60, random: seededRandom(options.environment.seed) },
      note: (text) => emit({ type: 'note', text }),
      add: (quantity, values) => record.addAll(quantity, values),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof VsbError)) throw error;
    record.end(`scale: ${error.message}`);
  }
}

async function takeTurns(options: BenchOptions, lab: Lab, record: Recording): Promise<void> {
  const { signal, emit, mode, measures } = options;
  const random = seededRandom(options.environment.seed);
  const sizes = sizesOf(mode, options.samples);
  const { uartAccess } = options.lab.programs;
  const { subjects } = lab;
  const gateway = measuredOf(options).find(({ title }) => title === 'vsbypass')?.id;
  const cells = planCells({ subjects, mode, sizes, measures, random, uartAccess, gateway });
  record.plan(cells);
  const schedule = new Schedule(
    cells,
    (cell) => subjectOf(lab, cell)?.configuration.stack ?? '',
    random,
  );
  const begun = record.elapsedMs();
  for (let cell = schedule.next(); cell !== undefined; cell = schedule.next()) {
    signal.throwIfAborted();
    if (record.elapsedMs() - begun > sizes.limitMs) {
      record.end(`the time of --${mode} was over`);
      return;
    }
    const what = keyOf(cell);
    emit({ type: 'turn', what, results: record.results(), remainingMs: schedule.remainingMs() });
    const began = performance.now();
    try {
      await lab.enter(subjectOf(lab, cell), signal);
      const values = await cell.turn(signal);
      record.add(cell, values);
      schedule.done(cell, values.length, performance.now() - began);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof VoidRun) && !(error instanceof VsbError)) throw error;
      record.fail(cell, error);
      const givenUp = schedule.failed(cell, performance.now() - began);
      const reason = givenUp ? `${messageOf(error)}; given up` : messageOf(error);
      emit({ type: 'failure', what, reason });
    }
    await options.save(record.results());
  }
}

/** What a cell is measured at; undefined for the gateway by itself. */
function subjectOf(lab: Lab, { measure, configuration }: Cell): Subject | undefined {
  if (measure === 'gateway') return undefined;
  const found = lab.subjects.find((subject) => subject.configuration.id === configuration);
  if (found === undefined) throw new TypeError('a cell is of a configuration that is up');
  return found;
}
