/** What each channel, with the console left to L2 and shadowed, says for itself: what the verdict and the test reports are made of. */
import type {
  CanaryKind,
  ChannelEvidence,
  PhaseEvidence,
  PhaseMode,
} from '../contract/evidence.js';
import type { Channel } from './channels.js';

/**
 * `passed`: as it has to be. `leak`: seen, and must not be. `gap`: proves nothing. `known-limit`: seen, and no console
 * can prevent it. `absent`: the layer has no such thing.
 */
export type Outcome = 'passed' | 'leak' | 'gap' | 'known-limit' | 'absent';

export interface Finding {
  readonly mode: PhaseMode;
  readonly layer: 'L1' | 'L2';
  /** A channel, or `injection`. */
  readonly subject: string;
  readonly outcome: Outcome;
  /** One sentence. */
  readonly reason: string;
  /** What was searched; not of an injection. */
  readonly evidence?: ChannelEvidence;
}

/** One for each channel in its order, and the injection's. */
export function findingsOf(channels: readonly Channel[], phase: PhaseEvidence): Finding[] {
  return [...channels.map((channel) => ofChannel(channel, phase)), ofInjection(phase)];
}

function ofChannel(channel: Channel, { mode, channels }: PhaseEvidence): Finding {
  const evidence = evidenceIn(channels, channel);
  const [outcome, reason] = judgeChannel(channel, mode, evidence);
  return {
    ...{ mode, layer: channel.layer, subject: channel.name, outcome, reason },
    ...(evidence === undefined ? {} : { evidence }),
  };
}

function judgeChannel(
  channel: Channel,
  mode: PhaseMode,
  evidence: ChannelEvidence | undefined,
): [Outcome, string] {
  const id = `${channel.layer} ${channel.name}`;
  if (evidence === undefined) {
    return channel.optional === true
      ? ['absent', `${id}: there is none`]
      : ['gap', `${id} was not searched`];
  }
  const found = foundIn(evidence);
  const shows = `${id} shows what was ${[...found].join(' and ')}`;
  if (channel.knownLimit === true && found.size > 0) {
    return ['known-limit', `${shows}: the user VM's own, which no console can protect`];
  }
  if (mode === 'shadow' && found.size > 0) return ['leak', shows];
  const missing = mode === 'baseline' ? channel.claims.filter((kind) => !found.has(kind)) : [];
  if (channel.optional !== true && missing.length > 0) {
    return ['gap', `${id} shows not even in the baseline what was ${missing.join(' and ')}`];
  }
  // Logs may well be empty, and the trace and the socket have to be silent; memory is never nothing.
  if (
    channel.optional !== true &&
    /memory|processes|files|ram/.test(channel.name) &&
    evidence.bytesSearched === 0
  ) {
    return ['gap', `${id} had nothing to search`];
  }
  return ['passed', found.size > 0 ? shows : `${id} shows nothing`];
}

function ofInjection({ mode, injection }: PhaseEvidence): Finding {
  const common = { mode, layer: 'L2', subject: 'injection' } as const;
  const { reached, consoleAnswers } = injection;
  if (mode === 'baseline') {
    return reached > 0
      ? { ...common, outcome: 'passed', reason: 'what L2 injects reaches the user VM' }
      : { ...common, outcome: 'gap', reason: 'injection does not work in the baseline either' };
  }
  const leaks = [
    ...(reached > 0 ? ['what L2 injects reaches the user VM'] : []),
    ...(consoleAnswers ? [] : ['what L2 injects breaks the secure console']),
  ];
  return leaks.length > 0
    ? { ...common, outcome: 'leak', reason: leaks.join('; ') }
    : { ...common, outcome: 'passed', reason: 'what L2 injects reaches nothing' };
}

/** Which canaries were found there. */
function foundIn(evidence: ChannelEvidence): Set<CanaryKind> {
  return new Set(evidence.hits.map((hit) => hit.canary));
}

/** What was found in a channel; undefined where it was not searched. */
export function evidenceIn(
  evidence: readonly ChannelEvidence[],
  { layer, name }: Channel,
): ChannelEvidence | undefined {
  return evidence.find((one) => one.layer === layer && one.channel === name);
}
