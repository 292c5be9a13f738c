/** What L1 has seen of an L2 that watches one VM: what begins, what ends, and what there was. */
import type { EvidenceKind, Watched } from '../../contract/watched.js';

/** Entries that are kept. */
const KEPT = 100;

export class WatchLog {
  #entries: readonly Watched[] = [];

  /** The oldest first. */
  list(): readonly Watched[] {
    return this.#entries;
  }

  /** Takes what is seen now, and gives the entries that this has begun or ended. */
  update(kinds: readonly EvidenceKind[], at = new Date()): readonly Watched[] {
    const now = at.toISOString();
    const goesOn = ({ kind, until }: Watched): boolean =>
      until === undefined && kinds.includes(kind);
    const ended = this.#entries
      .filter((entry) => entry.until === undefined && !goesOn(entry))
      .map((entry) => ({ ...entry, until: now }));
    const begun = kinds
      .filter((kind) => !this.#entries.some((entry) => entry.kind === kind && goesOn(entry)))
      .map((kind) => ({ kind, since: now }));
    const kept = this.#entries.filter((entry) => entry.until !== undefined || goesOn(entry));
    this.#entries = [...kept, ...ended, ...begun].slice(-KEPT);
    return [...ended, ...begun];
  }
}
