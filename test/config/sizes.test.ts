/** How much memory the layers need. */
import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { l0MemoryMiB, l2MemoryMiB } from '../../src/config/sizes.js';
import { twoVms } from '../rig/layers.js';

describe('memory', () => {
  it('of L0 holds all layers and is a multiple of 64 MiB', () => {
    const l0 = l0MemoryMiB(twoVms);
    expect(l0 % 64).toBe(0);
    expect(l0).toBeGreaterThan(l2MemoryMiB(twoVms) + twoVms.l1.dom0MemoryMiB);
  });

  it('of the default testbed stays well below 5 GiB', () => {
    expect(l0MemoryMiB(parseConfig('{}', 'f'))).toBeLessThan(4096);
  });
});
