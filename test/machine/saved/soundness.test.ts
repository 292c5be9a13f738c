import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../../src/config/load.js';
import { whyUnsound } from '../../../src/machine/saved/soundness.js';

describe('whyUnsound', () => {
  it.each([
    ['{}', 'tcg', undefined],
    ['{}', 'kvm', 'nested guest'],
    ['{"console": {"mode": "baseline"}}', 'tcg', 'left to L2'],
    ['{"l2": {"kind": "xen"}}', 'tcg', undefined],
    ['{"l2": {"kind": "xen"}}', 'bochs', 'Bochs keeps'],
    ['{"irq": "net"}', 'tcg', 'the path net'],
    ['{"vms": [{"name": "a", "kernel": "/k"}]}', 'tcg', 'a brings a system'],
    ['{"vms": [{"name": "a", "disk": {"path": "/d", "format": "raw"}}]}', 'tcg', 'a has a disk'],
  ] as const)('%s with %s', (text, accel, why) => {
    const found = whyUnsound(parseConfig(text, 'f'), accel);
    if (why === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(why);
  });
});
