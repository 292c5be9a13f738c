/** What was measured so far, as results. */
import type { VsbError } from '../base/errors.js';
import type { Configuration } from './configurations/configuration.js';
import { currentLoad } from './environment.js';
import type { Lab } from './lab.js';
import { keyOf, VoidRun, type Cell, type Quantity } from './measures/cell.js';
import type { Anatomy, Environment, Results, Series } from './results.js';

export interface RecordingInputs {
  readonly environment: Environment;
  readonly configurations: readonly Configuration[];
  readonly leftOut: ReadonlyMap<string, string>;
}

export class Recording {
  readonly #inputs: RecordingInputs;
  readonly #lab: Lab;
  readonly #start: number;
  readonly #series = new Map<string, Series>();
  readonly #anatomy: Anatomy[] = [];
  #ended: string | undefined;

  constructor(inputs: RecordingInputs, lab: Lab, start: number) {
    this.#inputs = inputs;
    this.#lab = lab;
    this.#start = start;
  }

  elapsedMs(): number {
    return performance.now() - this.#start;
  }

  plan(cells: readonly Cell[]): void {
    for (const cell of cells) {
      const { measure, configuration, end, state, unit, better, wanted } = cell;
      const quantity = { measure, configuration, end, state, unit, better, wanted };
      this.#series.set(keyOf(cell), { ...quantity, samples: [], failures: [] });
    }
  }

  /** Of a quantity that takes no turns. */
  addAll(quantity: Quantity, values: readonly number[]): void {
    const at = this.#now();
    this.#series.set(keyOf(quantity), {
      ...{ ...quantity, wanted: values.length, failures: [] },
      samples: values.map((value) => ({ at, value })),
    });
  }

  add(cell: Cell, values: readonly number[]): void {
    const at = this.#now();
    this.#of(cell).samples.push(...values.map((value) => ({ at, value })));
  }

  fail(cell: Cell, error: VoidRun | VsbError): void {
    const lost = error instanceof VoidRun;
    this.#of(cell).failures.push({ at: this.#now(), lost, reason: error.message });
  }

  dissected(anatomy: readonly Anatomy[]): void {
    this.#anatomy.push(...anatomy);
  }

  end(why: string): void {
    this.#ended = why;
  }

  results(): Results {
    const { environment, configurations, leftOut } = this.#inputs;
    const series = [...this.#series.values()];
    return {
      schemaVersion: 1,
      kind: 'vsbypass-bench',
      environment: { ...environment, load: [...environment.load, currentLoad()] },
      complete:
        this.#ended === undefined &&
        series.every(({ samples, wanted }) => samples.length >= wanted),
      ...(this.#ended === undefined ? {} : { ended: this.#ended }),
      seconds: this.#now(),
      configurations: configurations.map((configuration) => {
        const { id, l2, title, about } = configuration;
        const reason = leftOut.get(id) ?? this.#lab.failed.get(id);
        return { id, l2, title, about, ...(reason === undefined ? {} : { notAvailable: reason }) };
      }),
      series,
      anatomy: this.#anatomy,
    };
  }

  #now(): number {
    return Math.round(this.elapsedMs() / 10) / 100;
  }

  #of(cell: Cell): Series {
    const series = this.#series.get(keyOf(cell));
    if (series === undefined) throw new TypeError('the cell was not planned');
    return series;
  }
}
