import { describe, expect, it } from 'vitest';

import { boxPlot } from '../../../src/bench/report/box-plot.js';
import { toCsv } from '../../../src/bench/report/csv.js';
import { toHtml } from '../../../src/bench/report/html.js';
import { remarks, resultRows } from '../../../src/bench/report/table.js';
import { resultsWith, seriesOf } from '../../rig/bench-results.js';

const failure = { at: 3, lost: true, reason: '10 bytes came of 12; "x"' };
const results = resultsWith([
  seriesOf({ samples: [1, 2, 3], failures: [failure] }),
  seriesOf({ configuration: 'kvm/nested', samples: [10, 20, 30] }),
  seriesOf({ configuration: 'kvm/nested', end: 'ssh', samples: [] }),
]);

describe('resultRows', () => {
  it('has a row for each quantity and a column for each measured configuration', () => {
    const rows = resultRows(results, false);
    expect(rows[0]).toEqual(['quantity', 'end', 'unit', 'kvm/nested', 'kvm/vsbypass']);
    expect(rows).toHaveLength(3);
    expect(rows[1]?.[3]).toMatch(/^20\.0 \[10\.0, 30\.0\] n=3$/);
    expect(rows[1]?.[4]).toMatch(/^2\.00 \[1\.00, 3\.00\] n=3 1 failed$/);
    expect(rows[2]?.slice(3)).toEqual(['none', '']);
  });

  it('says how far it is while it runs', () => {
    expect(resultRows(results, true)[1]?.[3]).toBe('20.0 (3/3)');
  });
});

describe('remarks', () => {
  it('names what was not measured, and what does not count', () => {
    expect(remarks(results)).toEqual([
      'xen/nested not available: no Xen',
      'void: response kvm/vsbypass stream idle: 10 bytes came of 12; "x"',
    ]);
  });
});

describe('toCsv', () => {
  it('has every sample, and the turns that do not count', () => {
    const lines = toCsv(results).split('\r\n');
    expect(lines).toHaveLength(1 + 7 + 1);
    expect(lines[1]).toBe('response,kvm/vsbypass,stream,idle,ms,0,1,yes,');
    expect(lines[4]).toBe(
      'response,kvm/vsbypass,stream,idle,ms,3,,no,"10 bytes came of 12; ""x"""',
    );
  });
});

describe('boxPlot', () => {
  const figure = (groups: readonly (readonly number[])[]): string =>
    boxPlot({
      ...{ title: 'A & B', axis: 'ms', legend: ['one', 'two'] },
      groups: [{ label: 'end', boxes: groups.map((samples, style) => ({ style, samples })) }],
    });

  it('draws a box for each set, and points for what lies far out', () => {
    const svg = figure([
      [1, 2, 3, 4, 5, 6, 7, 8, 100],
      [2, 3, 4],
    ]);
    expect(svg.match(/<rect[^>]*fill="url/g)).toHaveLength(2 + 2);
    expect(svg.match(/<circle/g)).toHaveLength(1);
    expect(svg).toContain('A &amp; B');
  });

  it('takes a logarithmic axis where the values are far apart, and only there', () => {
    expect(figure([[1], [100]])).toContain('logarithmic');
    expect(figure([[1], [3]])).not.toContain('logarithmic');
    expect(figure([[0], [100]])).not.toContain('logarithmic');
  });

  it('is nothing without a sample', () => {
    expect(figure([[], []])).toBe('');
  });
});

describe('toHtml', () => {
  it('is one file that needs no other, with figures, tables and remarks', () => {
    const html = toHtml(results);
    expect(html).not.toMatch(/(?:src|href)=/);
    expect(html.match(/<svg/g)).toHaveLength(1);
    expect(html).toContain('a &lt;fast&gt; CPU');
    expect(html).toContain('no: no Xen');
    expect(html).toContain('Figure 1.');
  });
});
