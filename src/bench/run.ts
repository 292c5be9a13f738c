/** Carries a benchmark out: the lab, the turns of all cells, the anatomy; keeps what was measured, whatever ends it. */
import type { Configuration, MissingConfiguration } from './configurations/configuration.js';
import { isMeasurable } from './configurations/index.js';
import type { BenchEvent } from './events.js';
import { Lab, type LabInputs, type Subject } from './lab.js';
import { keyOf, VoidRun, type Cell, type MeasureName } from './measures/cell.js';
import { planCells, sizesOf, type Mode } from './plan.js';
import { Recording } from './recording.js';
import type { Environment, Results } from './results.js';
import { Schedule } from './schedule.js';
import { seededRandom } from './statistics/random.js';
import { VsbError, messageOf } from '../errors/index.js';

export interface BenchOptions {
  readonly mode: Mode;
  readonly measures: ReadonlySet<MeasureName>;
  readonly configurations: readonly (Configuration | MissingConfiguration)[];
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
  const chosen = options.configurations.filter(isMeasurable);
  const lab = await Lab.open(chosen, { ...options.lab, signal, emit });
  try {
    const record = new Recording(options, lab, start);
    try {
      await takeTurns(options, lab, record);
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

async function takeTurns(options: BenchOptions, lab: Lab, record: Recording): Promise<void> {
  const { signal, emit, mode, measures } = options;
  const random = seededRandom(options.environment.seed);
  const sizes = sizesOf(mode, options.samples);
  const cells = planCells({ subjects: lab.subjects, mode, sizes, measures, random });
  record.plan(cells);
  const schedule = new Schedule(cells, (cell) => subjectOf(lab, cell).configuration.stack, random);
  for (let cell = schedule.next(); cell !== undefined; cell = schedule.next()) {
    signal.throwIfAborted();
    if (record.elapsedMs() > sizes.limitMs) {
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

function subjectOf(lab: Lab, cell: Cell): Subject {
  const found = lab.subjects.find(({ configuration }) => configuration.id === cell.configuration);
  if (found === undefined) throw new TypeError('a cell is of a configuration that is up');
  return found;
}
