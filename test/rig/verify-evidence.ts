/** Evidence of `verify` as a run on a testbed would bring it. */
import type { CanaryKind, ChannelEvidence, PhaseEvidence } from '../../src/contract/evidence.js';
import { l1Ground, l2Ground } from '../../src/verify/ground.js';

const subject = { vm: 'vm1', id: 7, qemuPid: 1, memoryBytes: 2 ** 28, directory: '/run/x' };
export const channels = [...l2Ground('kvm').channels(subject), ...l1Ground.channels(subject)];

type Change = (evidence: ChannelEvidence) => ChannelEvidence | undefined;

/** Evidence as a run finds it when all is well, but for what `change` makes of each channel's. */
export function phase(mode: 'baseline' | 'shadow', change: Change = (same) => same): PhaseEvidence {
  return {
    mode,
    seconds: 1,
    com1Accesses: { data: 0, others: { 'write 0x3f9 0x2': 4 } },
    injection: { bytes: 20, reached: mode === 'baseline' ? 2 : 0, consoleAnswers: true },
    channels: channels
      .filter((channel) => channel.optional !== true)
      .flatMap((channel) => {
        const kinds = mode === 'baseline' ? channel.claims : [];
        const evidence = change({
          ...{ layer: channel.layer, channel: channel.name, method: channel.method },
          ...{ bytesSearched: 1000, bytesUnread: 0, seconds: 0.1 },
          hits: kinds.map(hit),
        });
        return evidence === undefined ? [] : [evidence];
      }),
  };
}

export function hit(canary: CanaryKind): ChannelEvidence['hits'][number] {
  return { canary, encoding: 'plain', count: 1, where: ['somewhere at 1'] };
}

/** A canary that was found in a channel. */
export const withHit =
  (channel: string, canary: CanaryKind): Change =>
  (evidence) =>
    evidence.channel === channel ? { ...evidence, hits: [hit(canary)] } : evidence;
