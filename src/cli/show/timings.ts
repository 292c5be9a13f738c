/** `up --timings`: where the time went. */
import type { UpEvent } from '../../contract/events.js';

export class Timings {
  readonly #start = performance.now();
  readonly #rows: { readonly what: string; readonly ms: number }[] = [];

  take(event: UpEvent): void {
    if ((event.type !== 'phase' && event.type !== 'build') || event.reason !== 'passed') return;
    const what = event.type === 'phase' ? event.phase : 'images';
    this.#rows.push({ what, ms: event.elapsedMs });
  }

  /** A table; what is in no phase (looking at the host, starting the daemon) is `other`. */
  lines(): string[] {
    const total = performance.now() - this.#start;
    const known = this.#rows.reduce((sum, { ms }) => sum + ms, 0);
    const rows = [...this.#rows, { what: 'other', ms: total - known }, { what: 'all', ms: total }];
    const width = Math.max(...rows.map(({ what }) => what.length));
    return rows.map(({ what, ms }) => {
      const share = Math.round((ms / total) * 100);
      return `${what.padEnd(width)}  ${(ms / 1000).toFixed(2).padStart(7)} s  ${String(share).padStart(3)} %`;
    });
  }
}
