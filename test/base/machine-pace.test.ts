import { describe, expect, it } from 'vitest';

import { machinePace, stretched } from '../../src/base/machine-pace.js';

describe('machinePace', () => {
  it.each([
    [20, 1],
    [60, 1],
    [120, 2],
    [900, 15],
    [60_000, 20],
  ])('a process that took %i ms to start: %i', (startMs, pace) => {
    expect(machinePace(startMs)).toBe(pace);
  });

  it('measures this process when nothing is said', () => {
    expect(machinePace()).toBeGreaterThanOrEqual(1);
  });
});

describe('stretched', () => {
  it('is never shorter than the limit', () => {
    expect(stretched(3000, 10)).toBe(3000);
    expect(stretched(3000, 600)).toBe(30_000);
  });
});
