import { describe, expect, it } from 'vitest';

import { toTap } from '../../../src/formats/test-run/tap.js';
import type { TestCase } from '../../../src/formats/test-run/test-run.js';
import { parseYaml } from '../../rig/python.js';

function tap(...cases: Partial<TestCase>[]): string[] {
  const all = cases.map((change): TestCase => ({
    ...{ name: 'L2 files', className: 'a', seconds: 1.5, outcome: 'passed', type: 'leak' },
    ...{ reason: 'because', details: [] },
    ...change,
  }));
  const text = toTap({
    ...{ name: 'a run', startedAt: new Date(0), seconds: 1 },
    suites: [{ name: 'vm1 shadow', seconds: 1, cases: all }],
  });
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(0, -1).split('\n');
}

/** The lines that TAP reads: all but the blocks below the points. */
const points = (lines: readonly string[]): string[] => lines.filter((one) => !one.startsWith(' '));

function block(lines: readonly string[]): unknown {
  const [from, to] = [lines.indexOf('  ---'), lines.indexOf('  ...')];
  expect(from).toBeGreaterThan(0);
  return parseYaml(lines.slice(from + 1, to).join('\n'));
}

describe('toTap', () => {
  it('names the version and the plan, then each case with its number', () => {
    const cases = [
      {},
      { outcome: 'failed' },
      { outcome: 'error', name: 'verify' },
      { outcome: 'skipped', reason: 'there is none' },
    ] as const;
    expect(points(tap(...cases))).toEqual([
      'TAP version 14',
      '1..4',
      'ok 1 - vm1 shadow: L2 files',
      'not ok 2 - vm1 shadow: L2 files',
      'not ok 3 - vm1 shadow: verify',
      'ok 4 - vm1 shadow: L2 files # SKIP there is none',
    ]);
  });

  it('commands no terminal, whatever a layer has said', () => {
    const reason = 'L2 says \x1b]0;x\x07\x9b2J';
    const text = tap(
      { outcome: 'skipped', reason, details: [reason] },
      { outcome: 'error', reason },
    );
    // eslint-disable-next-line no-control-regex
    expect(text.join('\n')).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    expect(points(text)[2]).toMatch(/ # SKIP L2 says 2J$/);
  });

  it('has the evidence in a block of YAML below', () => {
    const details = ['method: a "log", C:\\x', "found: hidden: 'x' # 3"];
    expect(block(tap({ outcome: 'failed', reason: 'L2 shows: it', details }))).toEqual({
      ...{ message: 'L2 shows: it', type: 'leak', duration_ms: '1500', details },
    });
    expect(block(tap({}))).toEqual({ duration_ms: '1500' });
  });

  it('lets no description become a directive or a line of its own', () => {
    expect(points(tap({ name: 'a # SKIP \\ b\nBail out!', outcome: 'failed' }))).toEqual([
      ...['TAP version 14', '1..1'],
      'not ok 1 - vm1 shadow: a \\# SKIP \\\\ b Bail out!',
    ]);
  });
});
