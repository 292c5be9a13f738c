/**
 * What L1 sees of an L2 that watches a user VM by means of the processor, as users are told. That nothing was seen proves
 * nothing: docs/threat-model.md.
 */
import { z } from 'zod';

/** L2 single-steps the VM, has breakpoints in it, has written its registers. In the order of the link's flags. */
export const evidenceKinds = ['stepped', 'breakpoints', 'rewritten'] as const;
export type EvidenceKind = (typeof evidenceKinds)[number];

export const watchedSchema = z.object({
  kind: z.enum(evidenceKinds),
  /** ISO 8601: when it was first seen, and when no longer for ten seconds, if so. */
  since: z.string(),
  until: z.string().optional(),
});
export type Watched = z.output<typeof watchedSchema>;

const says: Readonly<Record<EvidenceKind, string>> = {
  stepped: 'single steps',
  breakpoints: 'breakpoints',
  rewritten: 'written registers',
};

/** One sentence, without a full stop; the time is UTC. */
export function sentenceOf({ kind, since, until }: Watched): string {
  const time = (at: string): string => at.slice(11, 19);
  const when = until === undefined ? `since ${time(since)}` : `${time(since)} to ${time(until)}`;
  return `L2 ${until === undefined ? 'is watching' : 'has watched'} this VM: ${says[kind]} seen ${when} UTC`;
}
