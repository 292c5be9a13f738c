import { describe, expect, it } from 'vitest';

import { seriesDocument, seriesLines } from '../../src/boots/report.js';
import { distributions, type Boot } from '../../src/boots/series.js';

const boot = (number: number, l2: number): Boot => ({
  number,
  phases: [
    { phase: 'qemu', ms: 100 },
    { phase: 'l2', ms: l2 },
  ],
  ms: l2 + 100,
});
const hung: Boot = {
  number: 4,
  phases: [{ phase: 'qemu', ms: 900 }],
  ms: 241_000,
  failure: { code: 'E_LAYER_TIMEOUT', message: 'L2 failed in phase l2', evidence: 'kept/xen-4' },
};
const boots = [boot(1, 1000), boot(2, 3000), boot(3, 2000), hung];

describe('distributions', () => {
  it('tells of each phase in its order, and of whole boots that reached the login', () => {
    expect(distributions(boots)).toEqual([
      { phase: 'qemu', count: 4, min: 100, median: 100, p95: 780, max: 900 },
      { phase: 'l2', count: 3, min: 1000, median: 2000, p95: 2900, max: 3000 },
      { phase: 'all', count: 3, min: 1100, median: 2100, p95: 3000, max: 3100 },
    ]);
  });

  it('is empty where nothing was booted', () => {
    expect(distributions([])).toEqual([]);
  });
});

describe('the report', () => {
  it('names how many of how many, and where the evidence of the others is', () => {
    const lines = seriesLines({ count: 4, l2: 'xen', loops: 1 }, boots);
    expect(lines).toContainEqual(expect.stringMatching(/^l2 +3 +1\.0 +2\.0 +2\.9 +3\.0$/));
    expect(lines.slice(-3)).toEqual([
      'boot 4: L2 failed in phase l2',
      '  kept/xen-4',
      '3 of 4 boots reached the login (L2 = xen, 1 busy loop on each core)',
    ]);
  });

  it('says when a series has ended before its time', () => {
    const lines = seriesLines({ count: 9, l2: 'kvm', loops: 0 }, boots);
    expect(lines.at(-1)).toBe('ended before the other 5');
  });

  it('is a document for programs', () => {
    const about = { count: 4, l2: 'xen', loops: 0 } as const;
    expect(seriesDocument(about, boots)).toMatchObject({
      schemaVersion: 1,
      ...{ asked: 4, booted: 4, reached: 3 },
    });
  });
});
