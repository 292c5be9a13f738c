import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Pacer } from '../../../src/console/gateway/pacer.js';

/** What the work of turns has taken, milliseconds, beside what timers wait. */
let worked = 0;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
  const waited = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => waited() + worked);
  worked = 0;
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test('Pacer gives a small share of the time to those who always want more, each in turn', () => {
  const pacer = new Pacer();
  const turns = [0, 0, 0];
  const serves = turns.map((_, index) => () => {
    turns[index] = (turns[index] ?? 0) + 1;
    worked += 1;
    const serve = serves[index];
    if (serve !== undefined) pacer.schedule(serve);
  });
  for (const serve of serves) pacer.schedule(serve);
  vi.advanceTimersByTime(10_000);
  const [least, most] = [Math.min(...turns), Math.max(...turns)];
  // A fifteenth of what timers have waited, a millisecond each.
  expect(turns.reduce((sum, count) => sum + count, 0)).toBeLessThan(680);
  expect(least).toBeGreaterThan(200);
  expect(most - least).toBeLessThanOrEqual(2);
});

test('Pacer serves one that is scheduled twice once, and one that is cancelled never', () => {
  const pacer = new Pacer();
  const once = vi.fn();
  const never = vi.fn();
  pacer.schedule(once);
  pacer.schedule(once);
  pacer.schedule(never);
  pacer.cancel(never);
  vi.advanceTimersByTime(1000);
  expect(once).toHaveBeenCalledTimes(1);
  expect(never).not.toHaveBeenCalled();
  pacer.schedule(once);
  vi.advanceTimersByTime(1000);
  expect(once).toHaveBeenCalledTimes(2);
});
