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
    const goesOn = ({ until }: Watched): boolean => until === undefined;
    const entries = this.#entries.map((entry) =>
      goesOn(entry) && !kinds.includes(entry.kind) ? { ...entry, until: now } : entry,
    );
    const ended = entries.filter((entry, index) => entry !== this.#entries[index]);
    const begun = kinds
      .filter((kind) => !entries.some((entry) => goesOn(entry) && entry.kind === kind))
      .map((kind) => ({ kind, since: now }));
    this.#entries = [...entries, ...begun].slice(-KEPT);
    return [...ended, ...begun];
  }
}
