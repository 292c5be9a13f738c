/** What happens during a benchmark, as data; reports on the terminal are made from it. */
import type { BootEvent } from '../contract/events.js';
import type { Results } from './results.js';

export type BenchEvent =
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'boot'; readonly stack: string; readonly event: BootEvent }
  | {
      readonly type: 'turn';
      readonly what: string;
      readonly results: Results;
      readonly remainingMs: number;
    }
  | { readonly type: 'failure'; readonly what: string; readonly reason: string };
