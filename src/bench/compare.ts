/** Compares a run with an earlier one: is anything worse than allowed, beyond chance? */
import { readFile } from 'node:fs/promises';

import { VsbError, messageOf } from '../base/errors.js';
import type { Accel } from '../host/accel.js';
import { isMeasureName, keyOf, type MeasureName } from './measures/cell.js';
import { resultsSchema, type Results, type Series } from './results.js';
import { probabilityNotLarger, rejectedByHolm } from './statistics/rank-test.js';
import {
  bootstrap,
  isStatisticName,
  sorted,
  statisticOf,
  type StatisticName,
} from './statistics/summary.js';

/** The chance that a comparison fails although nothing is worse than allowed. */
const alpha = 0.01;
/** Fewer samples on either side decide nothing: the rank test's approximation needs them. */
const fewest = 8;

export interface Condition {
  /** Only for quantities of this measure. */
  readonly measure?: MeasureName;
  readonly statistic: StatisticName;
  /** Worse by more than this part of the earlier value: 0.1 for 10 %. */
  readonly allowed: number;
}

export interface Comparison {
  readonly quantity: string;
  readonly unit: string;
  readonly statistic: StatisticName;
  readonly before: number;
  readonly after: number;
  /** By which part it became worse; negative: better. */
  readonly worse: number;
  /** Probability of samples like these if it is not worse than allowed. */
  readonly probability: number;
  readonly failed: boolean;
}

/**
 * Reads `median>10%` or `throughput:p95>5%`.
 * @throws VsbError E_USAGE
 */
export function parseCondition(text: string): Condition {
  const match = /^(?:([\w-]+):)?(\w+)>(\d+(?:\.\d+)?)%$/.exec(text.replaceAll(' ', ''));
  const [, measure, statistic = '', percent] = match ?? [];
  if (!isStatisticName(statistic) || (measure !== undefined && !isMeasureName(measure))) {
    throw new VsbError('E_USAGE', `--fail-if does not know '${text}'`, {
      hint: "such as 'median>10%' or 'throughput:median>5%'; median, mean, p95 or p99",
    });
  }
  const allowed = Number(percent) / 100;
  return { statistic, allowed, ...(measure === undefined ? {} : { measure }) };
}

/** @throws VsbError E_FILE when it is no result of a run */
export async function readResults(path: string): Promise<Results> {
  try {
    return resultsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new VsbError('E_FILE', `${path} is no results.json of a benchmark: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** @throws VsbError E_USAGE when they were measured with different accelerators */
export function assertComparable(before: Accel, after: Accel): void {
  if (before === after) return;
  throw new VsbError('E_USAGE', `a run with ${after} cannot be compared with one with ${before}`, {
    hint: 'Times under emulation and on hardware have nothing in common.',
  });
}

/**
 * Compares all quantities that both runs have. The more are compared, the surer each must be (Holm).
 * @throws VsbError E_USAGE when they were measured with different accelerators
 */
export function compare(
  before: Results,
  after: Results,
  conditions: readonly Condition[],
): Comparison[] {
  assertComparable(before.environment.accel, after.environment.accel);
  const earlier = new Map(before.series.map((series) => [keyOf(series), series]));
  const compared = conditions.flatMap((condition) =>
    after.series.flatMap((series) => {
      const old = earlier.get(keyOf(series));
      const asked = condition.measure === undefined || condition.measure === series.measure;
      if (old === undefined || !asked) return [];
      const comparison = compareSeries(old, series, condition);
      return comparison === undefined ? [] : [{ ...comparison, allowed: condition.allowed }];
    }),
  );
  const sure = rejectedByHolm(
    compared.map(({ probability }) => probability),
    alpha,
  );
  return compared.map(({ allowed, ...comparison }, index) => ({
    ...comparison,
    failed: sure[index] === true && comparison.worse > allowed,
  }));
}

function compareSeries(
  old: Series,
  series: Series,
  { statistic, allowed }: Condition,
): Omit<Comparison, 'failed'> | undefined {
  const valuesOf = ({ samples }: Series): number[] => sorted(samples.map(({ value }) => value));
  const [was, is] = [valuesOf(old), valuesOf(series)];
  if (Math.min(was.length, is.length) < fewest) return undefined;
  const [before, after] = [statisticOf(was, statistic), statisticOf(is, statistic)];
  const lower = series.better === 'lower';
  const worse = lower ? after / before - 1 : before / after - 1;
  // There is no part of nothing.
  if (!Number.isFinite(worse)) return undefined;
  // What the earlier run would be if it were just as bad as is allowed.
  const limit = was.map((value) => (lower ? value * (1 + allowed) : value / (1 + allowed)));
  const [larger, smaller] = lower ? [is, limit] : [limit, is];
  return {
    quantity: keyOf(series),
    unit: series.unit,
    ...{ statistic, before, after, worse },
    probability:
      statistic === 'p95' || statistic === 'p99'
        ? probabilityByBootstrap(larger, smaller, statistic)
        : probabilityNotLarger(larger, smaller),
  };
}

/** Ranks say nothing of tails: how often a resampled percentile of the one is not above one of the other. */
function probabilityByBootstrap(
  larger: readonly number[],
  smaller: readonly number[],
  statistic: StatisticName,
): number {
  const resampled = (samples: readonly number[]): number[] =>
    sorted(bootstrap(samples, [statistic])[statistic] ?? []);
  const [high, low] = [resampled(larger), resampled(smaller)];
  // All pairs: as many as there are resamples could not be sure enough where many quantities are compared.
  let below = 0;
  let notAbove = 0;
  for (const value of high) {
    while (below < low.length && (low[below] ?? 0) < value) below++;
    notAbove += low.length - below;
  }
  return (notAbove + 1) / (high.length * low.length + 1);
}
