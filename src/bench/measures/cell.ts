/** What is measured again and again: one quantity of one configuration at one end in one state. */
import type { EndKind } from '../ends/end.js';

export const measureNames = [
  'response',
  'throughput',
  'anatomy',
  'side-costs',
  'scale',
  'gateway',
] as const;
export type MeasureName = (typeof measureNames)[number];

export function isMeasureName(name: string): name is MeasureName {
  return (measureNames as readonly string[]).includes(name);
}

/** Which quantity it is; the key of its samples in every document. */
export interface CellKey {
  readonly measure: MeasureName;
  /** Id of the configuration. */
  readonly configuration: string;
  readonly end: EndKind;
  /** `idle`, `loaded`; `cat`, `printk`, `paste`; what the console does meanwhile... */
  readonly state: string;
}

export interface Quantity extends CellKey {
  readonly unit: string;
  readonly better: 'lower' | 'higher';
}

export interface Cell extends Quantity {
  /** Samples that are wanted of it. */
  readonly wanted: number;
  /** What a turn takes before one was seen, milliseconds, and samples that it gives. */
  readonly guessMs: number;
  readonly perTurn: number;
  /**
   * Measures once: some samples, or none where the turn only served to find a size.
   * @throws VoidRun when its samples do not count; VsbError when it cannot be measured
   */
  turn(signal: AbortSignal): Promise<number[]>;
}

export function keyOf({ measure, configuration, end, state }: CellKey): string {
  return [measure, configuration, end, state].join(' ');
}

/** A run that does not count: what came is not what was sent, or the clock was wrong. */
export class VoidRun extends Error {
  override readonly name = 'VoidRun';
}
