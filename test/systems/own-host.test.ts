/** Debian with libvirt, two releases of it, and with Xen, as L2: its operator has VMs, and each of them has a secure console. */
import { readdir } from 'node:fs/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { OwnHost, database, web } from './own-host.js';
import type { Status } from '../e2e/command-line.js';

const libvirt = {
  ...{ name: 'libvirt', running: 'virsh list --name' },
  shown: 'cat /var/log/libvirt/qemu/*-serial.log | wc -c',
};
const xen = {
  ...{ name: 'xen', running: 'xl list' },
  shown: 'cat /var/log/xen/*-serial.log | wc -c',
};
const systems = [
  { suite: 'bookworm', ...libvirt },
  { suite: 'trixie', ...libvirt },
  { suite: 'bookworm', ...xen },
];

describe.each(systems)('Debian $suite with $name', ({ suite, name, running, shown }) => {
  let host: OwnHost;
  beforeAll(async () => {
    host = await OwnHost.make(name, suite);
  });
  afterAll(async () => {
    await host.dispose();
  });

  describe('without any access to it', () => {
    beforeAll(async () => await host.up('without'));
    afterAll(async () => await host.down());

    it('names its VMs by the table of the configuration, else by their UUIDs', async () => {
      await expect
        .poll(async () => (await host.cli.json<Status>(['status'])).vms, { timeout: 1_200_000 })
        .toMatchObject([
          { name: 'accounts', state: 'running', hooked: true, uuid: database },
          { name: 'vm-3c0f8a52', state: 'running', hooked: true, uuid: web },
        ]);
    });

    it('has a secure console for each, by name and by the beginning of its UUID', async () => {
      await host.answers('accounts', 'accounts');
      await host.answers('3c0f8a52-8f2b', 'vm-3c0f8a52');
    });

    it.each(['accounts', web])('proves by L1 that the console of %s is not L2’s', async (vm) => {
      const proof = await host.cli.json<{
        l1: { accesses: number; hooked: boolean };
        shadowBytes: number;
      }>(['proof', vm]);
      expect(proof.l1.hooked).toBe(true);
      expect(proof.shadowBytes).toBeGreaterThan(1000);
      expect(proof.l1.accesses).toBeGreaterThan(proof.shadowBytes);
    });

    it('refuses what needs access, with the reason', async () => {
      for (const [words, why] of [
        [['vm', 'list'], 'E_L2_OWN'],
        [['stock'], 'E_L2_OWN'],
        [['verify', 'accounts'], 'E_L2_ACCESS'],
      ] as const) {
        const { code, stderr } = await host.cli.run(words);
        expect([words, code, stderr]).toEqual([words, 2, expect.stringContaining(why)]);
      }
      const { code, stderr } = await host.cli.run(['l2', 'shell', '--', 'true']);
      expect([code, stderr]).toEqual([2, expect.stringContaining('l2')]);
    });
  });

  describe('with a key of its root', () => {
    beforeAll(async () => await host.up('with a key'));
    afterAll(async () => await host.down());

    it('has run both VMs, and seen nothing on their serial ports', async () => {
      await host.answers('accounts', 'accounts');
      await host.answers(web, 'vm-3c0f8a52');
      expect(await host.shell(running)).toMatch(/database[^]*web|web[^]*database/);
      expect(await host.shell(shown)).toBe('0\n');
    });

    // Its VMs have libvirt's terminals; those of the Xen host write their serial ports into files.
    if (name === 'libvirt')
      it('verifies as protected', async () => {
        expect(await host.verdict('accounts')).toEqual({ verdict: 'protected', reasons: [] });
      });
  });

  it('has left the disk as it was, and nothing beside it', async () => {
    expect(await host.diskIsAsItWas()).toBe(true);
    const names = await readdir(host.cli.directory, { recursive: true });
    expect(names.filter((file) => file.endsWith('.overlay'))).toEqual([]);
    expect(await host.cli.processes()).toEqual([]);
  });
});
