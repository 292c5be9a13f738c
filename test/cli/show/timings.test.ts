import { expect, it } from 'vitest';

import { Timings } from '../../../src/cli/show/timings.js';

it('Timings names each phase with its time and share, and the rest', () => {
  const timings = new Timings();
  const about = { type: 'phase', layer: 'L1', awaited: 'x', limitMs: 1 } as const;
  timings.take({ type: 'build', reason: 'passed', elapsedMs: 1000 });
  timings.take({ ...about, phase: 'link', reason: 'started' });
  timings.take({ ...about, phase: 'link', reason: 'passed', elapsedMs: 2500, totalMs: 2500 });
  const lines = timings.lines();
  expect(lines.map((line) => line.split(' ')[0])).toEqual(['images', 'link', 'other', 'all']);
  expect(lines[1]).toMatch(/^link {4} +2\.50 s/);
});
