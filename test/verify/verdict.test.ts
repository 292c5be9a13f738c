import { describe, expect, it } from 'vitest';

import { comparisonRows, conclusion } from '../../src/verify/table.js';
import { judge, missedBy } from '../../src/verify/verdict.js';
import { channels, hit, phase, withHit } from '../rig/verify-evidence.js';

describe('judge', () => {
  it('is content when the baseline shows all that is claimed and the shadow phase nothing', () => {
    expect(judge(channels, phase('baseline'), phase('shadow'))).toEqual({
      verdict: 'protected',
      reasons: [],
    });
  });

  it.each(channels.filter((one) => one.knownLimit !== true).map((one) => one.name))(
    'calls anything found in %s a leak',
    (name) => {
      const shadow = phase('shadow', withHit(name, 'hidden'));
      const { verdict, reasons } = judge(channels, phase('baseline'), shadow);
      expect(verdict).toBe('leak');
      expect(reasons.join()).toContain('hidden');
    },
  );

  it('does not count what is in the memory of the user VM', () => {
    const shadow = phase('shadow', withHit('guest-ram', 'hidden'));
    expect(judge(channels, phase('baseline'), shadow).verdict).toBe('protected');
  });

  it.each(channels.flatMap((one) => one.claims.map((kind) => [one.name, kind] as const)))(
    'takes nothing for proved when the baseline of %s does not show what was %s',
    (name, kind) => {
      const baseline = phase('baseline', (evidence) =>
        evidence.channel === name
          ? { ...evidence, hits: evidence.hits.filter((one) => one.canary !== kind) }
          : evidence,
      );
      const { verdict, reasons } = judge(channels, baseline, phase('shadow'));
      expect(verdict).toBe('inconclusive');
      expect(reasons).toEqual([expect.stringContaining(`${name} shows not even`)]);
    },
  );

  it('takes nothing for proved when a channel was not searched', () => {
    const without = phase('shadow', (one) => (one.channel === 'files' ? undefined : one));
    expect(judge(channels, phase('baseline'), without).verdict).toBe('inconclusive');
    const empty = phase('shadow', (one) =>
      one.channel === 'qemu-memory' ? { ...one, bytesSearched: 0 } : one,
    );
    expect(judge(channels, phase('baseline'), empty).verdict).toBe('inconclusive');
  });

  it('calls an injection that reaches the VM or breaks its console a leak', () => {
    const shadow = phase('shadow');
    const reaches = { ...shadow, injection: { ...shadow.injection, reached: 1 } };
    const breaks = { ...shadow, injection: { ...shadow.injection, consoleAnswers: false } };
    expect(judge(channels, phase('baseline'), reaches).verdict).toBe('leak');
    expect(judge(channels, phase('baseline'), breaks).verdict).toBe('leak');
  });

  it('proves nothing about injection that does not work in the baseline', () => {
    const baseline = phase('baseline');
    const dead = { ...baseline, injection: { ...baseline.injection, reached: 0 } };
    expect(judge(channels, dead, phase('shadow')).verdict).toBe('inconclusive');
  });

  it('calls a leak a leak even where the baseline proves nothing', () => {
    const shadow = phase('shadow', withHit('serial-log', 'echoed'));
    const baseline = phase('baseline', (one) => ({ ...one, hits: [] }));
    expect(judge(channels, baseline, shadow).verdict).toBe('leak');
  });
});

describe('missedBy', () => {
  it('names the channels in which a self-test found nothing, but not those that there are not', () => {
    const evidence = phase('baseline', (one) => ({ ...one, hits: [hit('planted')] })).channels;
    expect(missedBy(channels, evidence)).toEqual([]);
    const less = evidence.map((one) => (one.channel === 'xl-dmesg' ? { ...one, hits: [] } : one));
    expect(missedBy(channels, less)).toEqual(['L1 xl-dmesg']);
  });
});

describe('the table', () => {
  const report = {
    schemaVersion: 1,
    vm: 'vm1',
    verdict: 'protected',
    reasons: [],
    seconds: 2,
    phases: [phase('baseline'), phase('shadow', withHit('guest-ram', 'hidden'))],
  } as const;

  it('sets what was found with and without the shadow layer beside each other', () => {
    const rows = comparisonRows(report, new Set(['L2 guest-ram']));
    expect(rows.find((row) => row[1] === 'kvm-trace')?.slice(2, 4)).toEqual([
      'echoed 1, hidden 1, printed 1',
      '-',
    ]);
    expect(rows.find((row) => row[1] === 'guest-ram')?.[3]).toBe('hidden 1 (known limit)');
    expect(rows.at(-1)?.slice(1, 4)).toEqual(['injection', 'reaches the VM', 'reaches nothing']);
  });

  it('says in words what it proves', () => {
    expect(conclusion(report).join('\n')).toContain('PROTECTED');
    const nothing = { ...report, verdict: 'inconclusive', reasons: ['a gap'] } as const;
    expect(conclusion(nothing).join('\n')).toContain('THIS RUN PROVES NOTHING: a gap');
  });
});
