import { describe, expect, it } from 'vitest';

import { fairness } from '../../src/bench/scale.js';

describe('fairness', () => {
  it('is 1 where all get the same, and 1/n where one gets all', () => {
    expect(fairness([5, 5, 5, 5])).toBeCloseTo(1);
    expect(fairness([9, 0, 0])).toBeCloseTo(1 / 3);
    expect(fairness([2, 1])).toBeCloseTo(0.9);
    expect(fairness([0, 0])).toBe(0);
  });
});
