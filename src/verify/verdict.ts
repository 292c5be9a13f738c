/** What the evidence proves. */
import type { Channel } from './channels.js';
import type { CanaryKind, ChannelEvidence, PhaseEvidence, Verdict } from './evidence.js';

export interface Judgement {
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
}

/** Which canaries were found there. */
export function foundIn(evidence: ChannelEvidence): Set<CanaryKind> {
  return new Set(evidence.hits.map((hit) => hit.canary));
}

/**
 * A leak: anything found with the console shadowed that is not the user VM's own. Inconclusive: the same
 * search has not found in the baseline what it claims to find, or had nothing to search.
 */
export function judge(
  channels: readonly Channel[],
  baseline: PhaseEvidence,
  shadow: PhaseEvidence,
): Judgement {
  const leaks: string[] = [];
  const gaps: string[] = [];
  for (const channel of channels) {
    const id = `${channel.layer} ${channel.name}`;
    const [before, after] = [evidenceOf(baseline, channel), evidenceOf(shadow, channel)];
    if (after !== undefined && after.hits.length > 0 && channel.knownLimit !== true) {
      leaks.push(`${id} shows what was ${[...foundIn(after)].join(' and ')}`);
    }
    if (channel.optional === true) continue;
    if (before === undefined || after === undefined) {
      gaps.push(`${id} was not searched`);
      continue;
    }
    const found = foundIn(before);
    const missing = channel.claims.filter((kind) => !found.has(kind));
    if (missing.length > 0) {
      gaps.push(`${id} shows not even in the baseline what was ${missing.join(' and ')}`);
    }
    // Logs may well be empty, and the trace and the socket have to be silent; memory is never nothing.
    if (/memory|processes|files|ram/.test(channel.name) && after.bytesSearched === 0) {
      gaps.push(`${id} had nothing to search`);
    }
  }
  if (shadow.injection.reached > 0) leaks.push('what L2 injects reaches the user VM');
  if (!shadow.injection.consoleAnswers) leaks.push('what L2 injects breaks the secure console');
  if (baseline.injection.reached === 0) gaps.push('injection does not work in the baseline either');
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

function evidenceOf(phase: PhaseEvidence, channel: Channel): ChannelEvidence | undefined {
  return evidenceIn(phase.channels, channel);
}

function evidenceIn(
  evidence: readonly ChannelEvidence[],
  { layer, name }: Channel,
): ChannelEvidence | undefined {
  return evidence.find((one) => one.layer === layer && one.channel === name);
}
