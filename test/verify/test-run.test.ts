import { describe, expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import type { PhaseEvidence, VerifyReport } from '../../src/contract/evidence.js';
import type { TestRun } from '../../src/formats/test-run/test-run.js';
import { failedTestRun, selfTestRun, verifyTestRun } from '../../src/verify/test-run.js';
import { judge, missedBy } from '../../src/verify/verdict.js';
import { channels, hit, phase, withHit } from '../rig/verify-evidence.js';

const startedAt = new Date('2026-01-31T12:00:00Z');

function reportOf(baseline: PhaseEvidence, shadow: PhaseEvidence): VerifyReport {
  const judged = judge(channels, baseline, shadow);
  return { schemaVersion: 1, vm: 'vm1', ...judged, seconds: 2, phases: [baseline, shadow] };
}

const outcomesOf = (run: TestRun, suite: number): Record<string, string> =>
  Object.fromEntries(run.suites[suite]?.cases.map((one) => [one.name, one.outcome]) ?? []);

describe('verifyTestRun', () => {
  it('has a case for each channel and the injection, in each mode', () => {
    const report = reportOf(phase('baseline'), phase('shadow'));
    const { suites } = verifyTestRun(report, channels, startedAt);
    const names = [...channels.map(({ layer, name }) => `${layer} ${name}`), 'L2 injection'];
    expect(suites.map(({ name }) => name)).toEqual(['vm1 baseline', 'vm1 shadow']);
    for (const suite of suites) expect(suite.cases.map(({ name }) => name)).toEqual(names);
  });

  it('fails nothing of a run that is content, and skips what is not there', () => {
    const run = verifyTestRun(reportOf(phase('baseline'), phase('shadow')), channels, startedAt);
    for (const suite of [0, 1]) {
      const { 'L2 disks': disks, ...others } = outcomesOf(run, suite);
      expect(disks).toBe('skipped');
      expect(new Set(Object.values(others))).toEqual(new Set(['passed']));
    }
  });

  it('fails the channel that leaks, with its evidence, and no other', () => {
    const report = reportOf(phase('baseline'), phase('shadow', withHit('qemu-memory', 'hidden')));
    const run = verifyTestRun(report, channels, startedAt);
    const failed = run.suites[1]?.cases.filter((one) => one.outcome === 'failed') ?? [];
    expect(failed).toHaveLength(1);
    expect(failed[0]).toMatchObject({
      ...{ name: 'L2 qemu-memory', className: 'vsbypass.verify.vm1.shadow.L2', type: 'leak' },
      reason: 'L2 qemu-memory shows what was hidden',
    });
    expect(failed[0]?.details).toContain('found: hidden, plain, 1 times: somewhere at 1');
    expect(Object.values(outcomesOf(run, 0))).not.toContain('failed');
  });

  it('fails the baseline of a channel that proves nothing, and an injection that reaches the VM', () => {
    const baseline = phase('baseline', (one) =>
      one.channel === 'serial-log' ? { ...one, hits: [] } : one,
    );
    const shadow = phase('shadow');
    const injected = { ...shadow, injection: { ...shadow.injection, reached: 1 } };
    const run = verifyTestRun(reportOf(baseline, injected), channels, startedAt);
    expect(outcomesOf(run, 0)).toMatchObject({ 'L2 serial-log': 'failed' });
    expect(outcomesOf(run, 1)).toMatchObject({
      'L2 injection': 'failed',
      'L2 serial-log': 'passed',
    });
  });

  it("skips what is the user VM's own, and says why", () => {
    const report = reportOf(phase('baseline'), phase('shadow', withHit('guest-ram', 'hidden')));
    const run = verifyTestRun(report, channels, startedAt);
    const own = run.suites[1]?.cases.find((one) => one.name === 'L2 guest-ram');
    expect(own).toMatchObject({
      outcome: 'skipped',
      reason: expect.stringContaining('no console can protect') as string,
    });
  });

  it.each(['protected', 'leak', 'inconclusive'] as const)(
    'fails a case if and only if: %s',
    (which) => {
      const baseline = phase('baseline', (one) =>
        which === 'inconclusive' && one.channel === 'files' ? undefined : one,
      );
      const shadow =
        which === 'leak' ? phase('shadow', withHit('files', 'echoed')) : phase('shadow');
      const report = reportOf(baseline, shadow);
      expect(report.verdict).toBe(which);
      const { suites } = verifyTestRun(report, channels, startedAt);
      const failed = suites.some(({ cases }) => cases.some((one) => one.outcome === 'failed'));
      expect(failed).toBe(which !== 'protected');
    },
  );
});

describe('selfTestRun', () => {
  it('fails the channels in which the search finds nothing', () => {
    const evidence = phase('baseline', (one) => ({
      ...one,
      hits: one.channel === 'xl-dmesg' ? [] : [hit('planted')],
    })).channels;
    const missed = missedBy(channels, evidence);
    const run = selfTestRun(
      { schemaVersion: 1, vm: 'vm1', passed: false, missed, seconds: 1, channels: evidence },
      channels,
      startedAt,
    );
    const outcomes = outcomesOf(run, 0);
    expect(outcomes).toMatchObject({ 'L1 xl-dmesg': 'failed', 'L2 disks': 'skipped' });
    expect(Object.values(outcomes).filter((one) => one === 'failed')).toHaveLength(1);
  });
});

describe('failedTestRun', () => {
  it.each([
    [new VsbError('E_SSH', 'L2 does not answer', { hint: 'look' }), 'error', 'E_SSH'],
    [new VsbError('E_SKIPPED', 'skipped: no KVM'), 'skipped', 'E_SKIPPED'],
    [new TypeError('oh'), 'error', 'E_INTERNAL'],
  ] as const)('is one case for %s: %s', (error, outcome, type) => {
    const { suites } = failedTestRun(error, startedAt, 4);
    expect(suites.flatMap(({ cases }) => cases)).toMatchObject([
      { outcome, type, reason: error.message, seconds: 4 },
    ]);
  });
});
