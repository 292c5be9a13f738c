/** What a state is bound to: all that makes the machine, and nothing else. */
import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../../src/config/load.js';
import type { Config } from '../../../src/config/schema.js';
import { bindingOf, differences } from '../../../src/machine/saved/binding.js';
import { machine } from '../../rig/saved-state.js';

const { config } = machine;
const binding = async (change: Partial<Parameters<typeof bindingOf>[0]> = {}) =>
  await bindingOf({ ...machine, ...change });

describe('bindingOf', () => {
  it('changes with all that makes a state, and names what', async () => {
    const now = await binding();
    expect(differences(now, await binding())).toEqual([]);
    expect(differences(now, await binding({ images: { ...machine.images, l1: '/l-2' } }))).toEqual([
      'images',
    ]);
    const larger = parseConfig('{"vms": [{"name": "vm1", "memoryMiB": 512}]}', 'f');
    const changed = differences(now, await binding({ config: larger }));
    expect(changed).toEqual(expect.arrayContaining(['commandLine', 'layers', 'config']));
  });

  it('does not change with the place of the cache', async () => {
    const elsewhere = { xen: '/c/x-1', l1: '/c/l-1', l2: '/c/d-1' };
    expect(differences(await binding(), await binding({ images: elsewhere }))).toEqual([]);
  });

  it.each<Partial<Config>>([
    { patience: 7 },
    // The decision counts.
    { accel: 'tcg' },
    { console: { ...config.console, port: 2222, authorizedKeys: ['ssh-ed25519 AAAA'] } },
    { vms: config.vms.map((vm) => ({ ...vm, authorizedKeys: ['ssh-ed25519 AAAA'] })) },
  ])('does not change with what is of no consequence to the machine: %j', async (change) => {
    const other = await binding({ config: { ...config, ...change } });
    expect(differences(await binding(), other)).toEqual([]);
  });

  it('is the same for the daemon, whose configuration was read from a message', async () => {
    const reversed = Object.fromEntries(Object.entries(config).reverse()) as Config;
    expect(differences(await binding(), await binding({ config: reversed }))).toEqual([]);
  });
});
