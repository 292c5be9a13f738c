/** A run of `verify` as suites of tests: each channel, with the console left to L2 and shadowed. */
import { VsbError, messageOf } from '../base/errors.js';
import type { ChannelEvidence, SelfTestReport, VerifyReport } from '../contract/evidence.js';
import type { TestCase, TestRun, TestSuite } from '../formats/test-run/test-run.js';
import type { Channel } from './channels.js';
import { evidenceIn, findingsOf, type Finding, type Outcome } from './findings.js';

const outcomes = {
  passed: 'passed',
  leak: 'failed',
  gap: 'failed',
  'known-limit': 'skipped',
  absent: 'skipped',
} as const satisfies Record<Outcome, TestCase['outcome']>;

/** @param startedAt when the command began */
export function verifyTestRun(
  report: VerifyReport,
  channels: readonly Channel[],
  startedAt: Date,
): TestRun {
  const suites = report.phases.map((phase): TestSuite => {
    const cases = findingsOf(channels, phase).map((one) => caseOf(report.vm, one));
    return { name: `${report.vm} ${phase.mode}`, seconds: phase.seconds, cases };
  });
  return { name: 'vsbypass verify', startedAt, seconds: report.seconds, suites };
}

export function selfTestRun(
  report: SelfTestReport,
  channels: readonly Channel[],
  startedAt: Date,
): TestRun {
  const missed = new Set(report.missed);
  const cases = channels.map((channel): TestCase => {
    const { layer, name } = channel;
    const id = `${layer} ${name}`;
    const evidence = evidenceIn(report.channels, channel);
    const isMissed = missed.has(id);
    const absent = !isMissed && evidence === undefined;
    return {
      name: id,
      className: `vsbypass.verify.self-test.${layer}`,
      seconds: evidence?.seconds ?? 0,
      outcome: isMissed ? 'failed' : absent ? 'skipped' : 'passed',
      type: 'gap',
      reason: isMissed
        ? `the search does not find what is in ${id}`
        : absent
          ? `${id}: there is none`
          : `found in ${id}`,
      details: evidence === undefined ? [] : describeEvidence(evidence),
    };
  });
  const { vm, seconds } = report;
  return {
    name: 'vsbypass verify --self-test',
    ...{ startedAt, seconds },
    suites: [{ name: `${vm} self-test`, seconds, cases }],
  };
}

/** A run that could not be carried out, or was skipped: one case that says so. */
export function failedTestRun(error: unknown, startedAt: Date, seconds: number): TestRun {
  const code = error instanceof VsbError ? error.code : 'E_INTERNAL';
  const hint = error instanceof VsbError ? error.hint : undefined;
  const only: TestCase = {
    name: 'verify',
    className: 'vsbypass.verify',
    seconds,
    outcome: code === 'E_SKIPPED' ? 'skipped' : 'error',
    type: code,
    reason: messageOf(error),
    details: hint === undefined ? [] : [hint],
  };
  return {
    name: 'vsbypass verify',
    ...{ startedAt, seconds },
    suites: [{ name: 'verify', seconds, cases: [only] }],
  };
}

function caseOf(
  vm: string,
  { mode, layer, subject, outcome, reason, evidence }: Finding,
): TestCase {
  return {
    name: `${layer} ${subject}`,
    className: `vsbypass.verify.${vm}.${mode}.${layer}`,
    seconds: evidence?.seconds ?? 0,
    outcome: outcomes[outcome],
    type: outcome,
    reason,
    details: evidence === undefined ? [reason] : describeEvidence(evidence),
  };
}

/** How it was searched, and where what was found. */
function describeEvidence({ method, bytesSearched, bytesUnread, hits }: ChannelEvidence): string[] {
  const unread = bytesUnread === 0 ? '' : `, ${bytesUnread} could not be read`;
  return [
    `method: ${method}`,
    `searched: ${bytesSearched} bytes${unread}`,
    ...hits.map(
      ({ canary, encoding, count, where }) =>
        `found: ${canary}, ${encoding}, ${count} times: ${where.join('; ')}`,
    ),
  ];
}
