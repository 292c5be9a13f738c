import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { whyNotOnBochs } from '../../src/host/bochs.js';

describe('whyNotOnBochs', () => {
  it('has nothing against the default testbed', () => {
    expect(whyNotOnBochs(parseConfig('{}', 'f'))).toBeUndefined();
  });

  it.each([
    ['disks', { vms: [{ name: 'a', disk: { path: '/x', format: 'raw' } }] }, /^a has a disk/],
    ["a system of the user's own", { l2: { disk: { path: '/x', format: 'raw' } } }, /no disks for/],
    ['several processors', { l0: { cpus: 2 } }, /one processor/],
    ['more memory than lies below its devices', { l2: { memoryMiB: 4096 } }, /3072 at most/],
  ])('refuses %s, and says what helps', (_, wanted, reason) => {
    const obstacle = whyNotOnBochs(parseConfig(JSON.stringify(wanted), 'f'));
    expect(obstacle?.reason).toMatch(reason);
    expect(obstacle?.remedy).toMatch(/\.$/);
  });
});
