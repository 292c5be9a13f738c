/** What the evidence proves. */
import type {
  ActiveEvidence,
  ChannelEvidence,
  PhaseEvidence,
  Verdict,
} from '../contract/evidence.js';
import type { Channel } from './channels.js';
import { evidenceIn, findingsOf, type Outcome } from './findings.js';

export interface Judgement {
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
}

/**
 * A leak: anything found with the console shadowed that is not the user VM's own. Inconclusive: the same
 * search has not found in the baseline what it claims to find, or had nothing to search; or L1 has not noticed an attack that
 * it is to notice.
 */
export function judge(
  channels: readonly Channel[],
  baseline: PhaseEvidence,
  shadow: PhaseEvidence,
  active: readonly ActiveEvidence[] = [],
): Judgement {
  const findings = [...findingsOf(channels, baseline), ...findingsOf(channels, shadow)];
  // The same may be wrong in both.
  const reasonsOf = (outcome: Outcome): string[] => [
    ...new Set(findings.filter((one) => one.outcome === outcome).map(({ reason }) => reason)),
  ];
  const unnoticed = active
    .filter(({ seen }) => seen === 0)
    .map(({ method }) => `L1 has not noticed ${method}`);
  const [leaks, gaps] = [reasonsOf('leak'), [...reasonsOf('gap'), ...unnoticed]];
  if (leaks.length > 0) return { verdict: 'leak', reasons: leaks };
  if (gaps.length > 0) return { verdict: 'inconclusive', reasons: gaps };
  return { verdict: 'protected', reasons: [] };
}

/** Channels of a self-test in which nothing was found. */
export function missedBy(
  channels: readonly Channel[],
  evidence: readonly ChannelEvidence[],
): string[] {
  return channels
    .filter((channel) => {
      const own = evidenceIn(evidence, channel);
      if (channel.optional === true) return false;
      return own === undefined || own.hits.length === 0;
    })
    .map(({ layer, name }) => `${layer} ${name}`);
}
