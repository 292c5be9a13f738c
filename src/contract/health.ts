/** How the layers of a running testbed are, and what that makes of the whole. Pure: finding out is elsewhere. */
import { z } from 'zod';

export const layerHealthSchema = z.object({
  /** `host`, `L0` (QEMU), `L1` (the shadow hypervisor), `dom0`, `L2`, `irq-server` (in L2), or `vm:<name>`. */
  layer: z.string(),
  /**
   * `failing`: it does not do its part, but may again. `dead`: it will not come back by itself.
   * `unknown`: a layer below it does not answer.
   */
  state: z.enum(['ok', 'failing', 'dead', 'unknown']),
  /** One sentence: by what it was seen. */
  detail: z.string(),
});
export type LayerHealth = z.output<typeof layerHealthSchema>;

export interface Verdict {
  readonly state: 'running' | 'degraded' | 'broken';
  readonly reason?: string;
}

/**
 * Dead host, L0, L1 or L2 leave nothing to use; without anything else the consoles that are left
 * still work.
 */
export function judge(layers: readonly LayerHealth[]): Verdict {
  const reasonOf = (some: readonly LayerHealth[]): string =>
    some.map(({ layer, detail }) => `${layer}: ${detail}`).join('; ');
  const fatal = layers.filter(({ layer, state }) => state === 'dead' && vital.includes(layer));
  if (fatal.length > 0) return { state: 'broken', reason: reasonOf(fatal) };
  const bad = layers.filter(({ state }) => state === 'failing' || state === 'dead');
  if (bad.length > 0) return { state: 'degraded', reason: reasonOf(bad) };
  return { state: 'running' };
}

const vital = ['host', 'L0', 'L1', 'L2'];
