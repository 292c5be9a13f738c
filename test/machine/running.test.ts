import { expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { limitOf, limitsMs, type LimitName } from '../../src/machine/running.js';

it('limits are whole milliseconds, whatever the patience', () => {
  const config = parseConfig('{}', 'f');
  const names = Object.keys(limitsMs) as LimitName[];
  const limits = Array.from({ length: 1991 }, (_, index) => (index + 10) / 100).flatMap(
    (patience) => names.map((name) => limitOf({ ...config, patience }, name)),
  );
  expect(limits.filter((ms) => !Number.isInteger(ms))).toEqual([]);
  expect(limitOf({ ...config, patience: 2.03 }, 'save')).toBe(243_600);
});
