import { describe, expect, it } from 'vitest';

import { between, seededRandom, shuffled } from '../../../src/bench/statistics/random.js';
import { probabilityNotLarger, rejectedByHolm } from '../../../src/bench/statistics/rank-test.js';
import { bootstrap, summarize } from '../../../src/bench/statistics/summary.js';

const draw = (seed: number, count: number, low = 0, high = 1): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => between(random, low, high));
};

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, others for another', () => {
    expect(draw(7, 5)).toEqual(draw(7, 5));
    expect(draw(7, 5)).not.toEqual(draw(8, 5));
  });

  it('is uniform enough', () => {
    const values = draw(1, 10_000);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    const tenths = Array.from(
      { length: 10 },
      (_, tenth) => values.filter((value) => Math.floor(value * 10) === tenth).length,
    );
    expect(Math.min(...tenths)).toBeGreaterThan(880);
    expect(Math.max(...tenths)).toBeLessThan(1120);
  });
});

describe('shuffled', () => {
  it('keeps all and reaches every order', () => {
    const random = seededRandom(3);
    const orders = new Set(
      Array.from({ length: 200 }, () => shuffled(['a', 'b', 'c'], random).join('')),
    );
    expect([...orders].sort()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
  });
});

describe('summarize', () => {
  it('knows nothing of nothing', () => {
    expect(summarize([])).toBeUndefined();
  });

  it('has the interval of the median around it, narrower for more samples', () => {
    const few = summarize(draw(5, 20, 0, 100));
    const many = summarize(draw(5, 2000, 0, 100));
    for (const summary of [few, many]) {
      expect(summary?.median.low).toBeLessThanOrEqual(summary?.median.value ?? NaN);
      expect(summary?.median.high).toBeGreaterThanOrEqual(summary?.median.value ?? NaN);
    }
    const width = (summary: typeof few): number =>
      (summary?.median.high ?? NaN) - (summary?.median.low ?? NaN);
    expect(width(many)).toBeLessThan(width(few) / 3);
    expect(many?.p95.value).toBeGreaterThan(90);
    expect(many?.p99.value).toBeGreaterThan(many?.p95.value ?? NaN);
  });

  it('covers the true median as often as it says', () => {
    const covered = Array.from({ length: 60 }, (_, seed) => summarize(draw(seed + 100, 40))).filter(
      (summary) => summary !== undefined && summary.median.low <= 0.5 && summary.median.high >= 0.5,
    );
    expect(covered.length).toBeGreaterThanOrEqual(52);
  });

  it('gives the same for the same samples in any order', () => {
    const samples = draw(2, 50);
    expect(summarize(samples)).toEqual(summarize([...samples].reverse()));
  });
});

describe('bootstrap', () => {
  it('draws only values that are there', () => {
    const { median } = bootstrap([1, 1, 1], ['median']);
    expect(new Set(median)).toEqual(new Set([1]));
  });
});

describe('probabilityNotLarger', () => {
  it('agrees with a worked example', () => {
    // Ranks 4..8 and 1..3: U = 15 of 15; z = (15 - 7.5 - 0.5) / sqrt(11.25).
    const p = probabilityNotLarger([4, 5, 6, 7, 8], [1, 2, 3]);
    expect(p).toBeCloseTo(0.0184, 3);
  });

  it('sees no difference between equal ones, nor in the other direction', () => {
    expect(probabilityNotLarger([1, 2, 3, 4], [1, 2, 3, 4])).toBeGreaterThan(0.4);
    expect(probabilityNotLarger([1, 1, 1], [1, 1, 1])).toBe(1);
    expect(probabilityNotLarger([1, 2, 3], [4, 5, 6, 7, 8])).toBeGreaterThan(0.95);
    expect(probabilityNotLarger([], [1])).toBe(1);
  });

  it('is wrong as rarely as it says when there is no difference', () => {
    const wrong = Array.from({ length: 300 }, (_, seed) =>
      probabilityNotLarger(draw(2 * seed, 15), draw(2 * seed + 1, 15)),
    ).filter((p) => p < 0.05);
    expect(wrong.length).toBeLessThan(28);
  });
});

describe('rejectedByHolm', () => {
  it('asks more of the first, and stops at the first that is not sure', () => {
    expect(rejectedByHolm([0.02, 0.001, 0.04], 0.05)).toEqual([true, true, true]);
    expect(rejectedByHolm([0.03, 0.001, 0.04], 0.05)).toEqual([false, true, false]);
    expect(rejectedByHolm([], 0.05)).toEqual([]);
  });
});
