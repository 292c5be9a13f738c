/** The testbed with L2 = Xen under KVM, on an AMD host without vGIF. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { vsbypass, type EmulatedHost } from '../rig/emulated-host.js';
import { bootHost, upLimitMs, upUnderKvm } from './boot.js';

describe('L2 = Xen under KVM', () => {
  let host: EmulatedHost;
  beforeAll(async () => {
    host = await bootHost('L2 = Xen');
    await upUnderKvm(host, '--l2 xen');
  }, 2 * upLimitMs);
  afterAll(async () => {
    await host.dispose();
  });

  it('has a console in both directions', async () => {
    expect(await host.must(`${vsbypass} console run vm1 -- hostname`)).toBe('vm1\n');
  });

  it('keeps every access to COM1 from L2', async () => {
    const proof = await host.json<{ operatorBytes: number; shadowBytes: number }>('proof vm1');
    expect(proof.operatorBytes).toBe(0);
    expect(proof.shadowBytes).toBeGreaterThan(5000);
  });

  it('goes down', async () => {
    expect((await host.vsbypass('down')).code).toBe(0);
  });
});
