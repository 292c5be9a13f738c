import { expect, test } from 'vitest';

import { Rate } from '../../src/web/rate.js';

test('Rate lets a burst pass, then so many a second, and says how long to wait', () => {
  let now = 0;
  const rate = new Rate(10, 3, () => now);
  expect([rate.take(), rate.take(), rate.take()]).toEqual([0, 0, 0]);
  expect(rate.take()).toBeCloseTo(100);
  now += 200;
  expect(rate.take()).toBe(0);
  now += 60_000;
  expect([rate.take(), rate.take(), rate.take()]).toEqual([0, 0, 0]);
  expect(rate.take()).toBeGreaterThan(0);
});
