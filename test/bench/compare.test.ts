import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { compare, parseCondition, readResults } from '../../src/bench/compare.js';
import type { Results } from '../../src/bench/results.js';
import { resultsWith, seriesOf } from '../rig/bench-results.js';

const samples = (middle: number, count = 40): number[] =>
  Array.from({ length: count }, (_, index) => middle * (0.8 + (0.4 * index) / (count - 1)));
const run = (response: number, rate: number, accel?: 'kvm' | 'tcg'): Results =>
  resultsWith(
    [
      seriesOf({ samples: samples(response) }),
      seriesOf({ measure: 'throughput', state: 'cat', better: 'higher', samples: samples(rate) }),
    ],
    accel,
  );

describe('parseCondition', () => {
  it('reads statistic, allowance and measure', () => {
    expect(parseCondition('median>10%')).toEqual({ statistic: 'median', allowed: 0.1 });
    expect(parseCondition('throughput: p95 > 2.5 %')).toEqual({
      ...{ measure: 'throughput', statistic: 'p95', allowed: 0.025 },
    });
  });

  it.each(['', 'median', 'median<10%', 'mode>10%', 'speed:median>10%', 'median>x%'])(
    'refuses %j',
    (text) => {
      expect(() => parseCondition(text)).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
    },
  );
});

describe('compare', () => {
  const conditions = [parseCondition('median>10%')];
  const failedOf = (before: Results, after: Results, asked = conditions): string[] =>
    compare(before, after, asked)
      .filter(({ failed }) => failed)
      .map(({ quantity }) => quantity.split(' ')[0] ?? '');

  it('fails what is worse by more than allowed, whichever way is worse', () => {
    expect(failedOf(run(10, 1000), run(13, 1000))).toEqual(['response']);
    expect(failedOf(run(10, 1000), run(10, 750))).toEqual(['throughput']);
    expect(failedOf(run(10, 1000), run(14, 600))).toEqual(['response', 'throughput']);
  });

  it('passes what is better, the same, or worse by less', () => {
    expect(failedOf(run(10, 1000), run(5, 3000))).toEqual([]);
    expect(failedOf(run(10, 1000), run(10, 1000))).toEqual([]);
    expect(failedOf(run(10, 1000), run(10.5, 970))).toEqual([]);
  });

  it('does not fail by one number: few samples, or a difference within the noise', () => {
    const few = (middle: number): Results => resultsWith([seriesOf({ samples: [middle, middle] })]);
    expect(compare(few(10), few(100), conditions)).toEqual([]);
    expect(failedOf(run(10, 1000), run(11.2, 1000))).toEqual([]);
  });

  it('looks at one measure where only that is asked for', () => {
    const asked = [parseCondition('throughput:median>10%')];
    expect(failedOf(run(10, 1000), run(20, 1000), asked)).toEqual([]);
  });

  it('is sure enough of a percentile also where many quantities are compared', () => {
    const many = (first: number): Results =>
      resultsWith(
        Array.from({ length: 60 }, (_, index) =>
          seriesOf({ state: `state ${index}`, samples: samples(index === 0 ? first : 10) }),
        ),
      );
    expect(failedOf(many(10), many(20), [parseCondition('p95>10%')])).toEqual(['response']);
    expect(failedOf(many(10), many(10), [parseCondition('p95>10%')])).toEqual([]);
  });

  it('makes nothing of a value that was nothing', () => {
    const nothing = resultsWith([seriesOf({ samples: Array.from({ length: 40 }, () => 0) })]);
    expect(compare(nothing, run(10, 1000), conditions)).toEqual([]);
  });

  it('compares percentiles by resampling', () => {
    const asked = [parseCondition('response:p95>10%')];
    expect(failedOf(run(10, 1000), run(14, 1000), asked)).toEqual(['response']);
    expect(failedOf(run(10, 1000), run(10, 1000), asked)).toEqual([]);
  });

  it('refuses different accelerations', () => {
    expect(() => compare(run(1, 1, 'tcg'), run(1, 1, 'kvm'), conditions)).toThrow(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });
});

describe('readResults', () => {
  it('reads what a run has written, and nothing else', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'vsb-results-'));
    try {
      const path = join(directory, 'results.json');
      await writeFile(path, JSON.stringify(run(1, 2)));
      expect(await readResults(path)).toEqual(run(1, 2));
      await writeFile(path, '{"schemaVersion": 1}');
      await expect(readResults(path)).rejects.toMatchObject({ code: 'E_FILE' });
      await expect(readResults(join(directory, 'none'))).rejects.toMatchObject({ code: 'E_FILE' });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
