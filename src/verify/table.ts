/** The evidence as a table for people. */
import {
  canaryKinds,
  type CanaryKind,
  type ChannelEvidence,
  type Hit,
} from '../contract/evidence.js';
import type { PhaseEvidence, SelfTestReport, VerifyReport } from '../contract/evidence.js';

/** Rows of the comparison, the header first. */
export function comparisonRows(report: VerifyReport, knownLimits: ReadonlySet<string>): string[][] {
  const baseline = phaseOf(report, 'baseline');
  const shadow = phaseOf(report, 'shadow');
  const rows = (shadow?.channels ?? []).map((after) => {
    const before = baseline?.channels.find(
      (one) => one.layer === after.layer && one.channel === after.channel,
    );
    const limit = knownLimits.has(`${after.layer} ${after.channel}`);
    return [
      ...[after.layer, after.channel, findings(before?.hits ?? [])],
      limit ? `${findings(after.hits)} (known limit)` : findings(after.hits),
      formatBytes(after.bytesSearched),
      `${(before?.seconds ?? 0).toFixed(1)} + ${after.seconds.toFixed(1)} s`,
    ];
  });
  const injected = (phase: PhaseEvidence | undefined): string =>
    phase === undefined ? '-' : phase.injection.reached > 0 ? 'reaches the VM' : 'reaches nothing';
  return [
    ['LAYER', 'CHANNEL', 'BASELINE', 'SHADOWED', 'SEARCHED', 'TIME'],
    ...rows,
    ['L2', 'injection', injected(baseline), injected(shadow), '', ''],
    ...(report.active ?? []).map(({ name, seen }) => [
      ...['L2', name, '-', seen > 0 ? `noticed ${seen} (known limit)` : 'NOT NOTICED', '', ''],
    ]),
  ];
}

/** What people should know besides the table. */
export function conclusion(report: VerifyReport): string[] {
  const seen = (mode: 'baseline' | 'shadow'): string => {
    const { data = 0, others = {} } = phaseOf(report, mode)?.com1Accesses ?? {};
    const other = Object.values(others).reduce((sum, count) => sum + count, 0);
    return `${data} characters and ${other} other accesses`;
  };
  const lines = [
    `COM1, as L2's hypervisor saw it: baseline ${seen('baseline')}, shadowed ${seen('shadow')}`,
  ];
  switch (report.verdict) {
    case 'protected':
      lines.push(
        `PROTECTED: with the console of ${report.vm} shadowed, the search that finds it in the baseline finds nothing`,
      );
      break;
    case 'leak':
      lines.push(...report.reasons.map((reason) => `LEAK: ${reason}`));
      break;
    case 'inconclusive':
      lines.push(...report.reasons.map((reason) => `THIS RUN PROVES NOTHING: ${reason}`));
      break;
  }
  return lines;
}

/** Rows of the self-test, the header first. */
export function selfTestRows(report: SelfTestReport): string[][] {
  return [
    ['LAYER', 'CHANNEL', 'FOUND', 'SEARCHED', 'TIME'],
    ...report.channels.map((one: ChannelEvidence) => [
      ...[one.layer, one.channel, findings(one.hits), formatBytes(one.bytesSearched)],
      `${one.seconds.toFixed(1)} s`,
    ]),
  ];
}

function phaseOf(report: VerifyReport, mode: 'baseline' | 'shadow'): PhaseEvidence | undefined {
  return report.phases.find((phase) => phase.mode === mode);
}

/** `echoed 2, printed 1`: canaries and how often each was found, in any form. */
function findings(hits: readonly Hit[]): string {
  const kinds: readonly CanaryKind[] = [...canaryKinds, 'planted'];
  const parts = kinds.flatMap((kind) => {
    const own = hits.filter((hit) => hit.canary === kind);
    const count = own.reduce((sum, hit) => sum + hit.count, 0);
    return count === 0 ? [] : [`${kind} ${count}`];
  });
  return parts.length === 0 ? '-' : parts.join(', ');
}

function formatBytes(bytes: number): string {
  if (bytes < 10_000) return `${bytes} B`;
  if (bytes < 10_000_000) return `${(bytes / 1000).toFixed(0)} kB`;
  return `${(bytes / 1_000_000).toFixed(0)} MB`;
}
