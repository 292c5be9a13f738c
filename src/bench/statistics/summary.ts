/** What is told of samples: median, percentiles, quartiles, and how sure they are. */
import { mean, quantileSorted } from 'simple-statistics';

import { seededRandom } from './random.js';

/** A figure with its 95 % confidence interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface Summary {
  readonly count: number;
  readonly median: Estimate;
  readonly p95: Estimate;
  readonly p99: Estimate;
  readonly mean: number;
  readonly minimum: number;
  readonly maximum: number;
}

const statisticNames = ['median', 'p95', 'p99', 'mean'] as const;
export type StatisticName = (typeof statisticNames)[number];

export function isStatisticName(name: string): name is StatisticName {
  return (statisticNames as readonly string[]).includes(name);
}

const resamples = 2000;
const confidence = 0.95;
/** The same samples always get the same intervals. */
const seed = 1;

/** Of sorted samples, at least one. */
export function statisticOf(sorted: readonly number[], name: StatisticName): number {
  const values = sorted as number[];
  switch (name) {
    case 'median':
      return quantileSorted(values, 0.5);
    case 'p95':
      return quantileSorted(values, 0.95);
    case 'p99':
      return quantileSorted(values, 0.99);
    case 'mean':
      return mean(values);
  }
}

export function sorted(samples: readonly number[]): number[] {
  return [...samples].sort((a, b) => a - b);
}

/** @returns undefined without a sample */
export function summarize(samples: readonly number[]): Summary | undefined {
  if (samples.length === 0) return undefined;
  const values = sorted(samples);
  const names = ['median', 'p95', 'p99'] as const;
  const drawn = bootstrap(values, names);
  const estimate = (name: (typeof names)[number]): Estimate => {
    const distribution = sorted(drawn[name]);
    return {
      value: statisticOf(values, name),
      low: quantileSorted(distribution, (1 - confidence) / 2),
      high: quantileSorted(distribution, (1 + confidence) / 2),
    };
  };
  return {
    count: values.length,
    median: estimate('median'),
    p95: estimate('p95'),
    p99: estimate('p99'),
    mean: mean(values),
    minimum: values[0] ?? 0,
    maximum: values.at(-1) ?? 0,
  };
}

/** The statistics of samples drawn with replacement from these (percentile bootstrap; Efron 1979). */
export function bootstrap<Name extends StatisticName>(
  samples: readonly number[],
  names: readonly Name[],
  random = seededRandom(seed),
): Record<Name, number[]> {
  const drawn = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<
    Name,
    number[]
  >;
  for (let round = 0; round < resamples; round++) {
    const again = Float64Array.from(
      samples,
      () => samples[Math.floor(random() * samples.length)] ?? 0,
    ).sort();
    for (const name of names) drawn[name].push(statisticOf(again as unknown as number[], name));
  }
  return drawn;
}
