/** Results as rows of a table: a row for each quantity, a column for each configuration. */
import type { Comparison } from '../compare.js';
import type { Results, Series } from '../results.js';
import { summarize } from '../statistics/summary.js';
import { estimate, figure, measureTitles, stateTitle } from './labels.js';

/** Quantities in the order of the results, each with its series by configuration. */
export function quantitiesOf(results: Results): {
  readonly measure: Series['measure'];
  readonly end: Series['end'];
  readonly state: string;
  readonly unit: string;
  readonly better: Series['better'];
  readonly series: ReadonlyMap<string, Series>;
}[] {
  const rows = new Map<string, Map<string, Series>>();
  for (const series of results.series) {
    const key = [series.measure, series.state, series.end, series.unit].join('\0');
    const row = rows.get(key) ?? new Map<string, Series>();
    row.set(series.configuration, series);
    rows.set(key, row);
  }
  return [...rows.values()].flatMap((row) => {
    const [first] = row.values();
    if (first === undefined) return [];
    const { measure, end, state, unit, better } = first;
    return [{ measure, end, state, unit, better, series: row }];
  });
}

/** Configurations that were measured, in the order of the results. */
export function measuredIn(results: Results): Results['configurations'] {
  const measured = new Set(results.series.map(({ configuration }) => configuration));
  return results.configurations.filter(({ id }) => measured.has(id));
}

/** Median, its interval and the number of samples; with `brief` the number that is still wanted, too. */
export function resultRows(results: Results, brief: boolean): string[][] {
  const columns = measuredIn(results);
  const header = ['quantity', 'end', 'unit', ...columns.map(({ id }) => id)];
  const rows = quantitiesOf(results).map(({ measure, end, state, unit, series }) => [
    `${measureTitles[measure]}: ${stateTitle(state)}`,
    end,
    unit,
    ...columns.map(({ id }) => cell(series.get(id), brief)),
  ]);
  return [header, ...rows];
}

function cell(series: Series | undefined, brief: boolean): string {
  if (series === undefined) return '';
  const summary = summarize(series.samples.map(({ value }) => value));
  const failures = series.failures.length === 0 ? '' : ` ${series.failures.length} failed`;
  if (brief) {
    const count = `${series.samples.length}/${series.wanted}${failures}`;
    return summary === undefined ? count : `${figure(summary.median.value)} (${count})`;
  }
  return summary === undefined
    ? `none${failures}`
    : `${estimate(summary.median)} n=${summary.count}${failures}`;
}

/** What --compare found. */
export function comparisonRows(compared: readonly Comparison[]): string[][] {
  const header = ['compared', 'statistic', 'before', 'now', 'worse by', 'p', ''];
  return [
    header,
    ...compared.map(({ quantity, unit, statistic, before, after, worse, probability, failed }) => [
      `${quantity} (${unit})`,
      statistic,
      figure(before),
      figure(after),
      `${(worse * 100).toFixed(1)} %`,
      probability.toPrecision(2),
      failed ? 'WORSE' : '',
    ]),
  ];
}

/** Why some were not measured, and what did not count. */
export function remarks(results: Results): string[] {
  return [
    ...(results.ended === undefined ? [] : [`not complete: ${results.ended}`]),
    ...results.configurations.flatMap(({ id, notAvailable }) =>
      notAvailable === undefined ? [] : [`${id} not available: ${notAvailable}`],
    ),
    ...results.series.flatMap(({ measure, configuration, end, state, failures }) =>
      failures.map(
        ({ lost, reason }) =>
          `${lost ? 'void' : 'failed'}: ${[measure, configuration, end, state].join(' ')}: ${reason}`,
      ),
    ),
  ];
}
