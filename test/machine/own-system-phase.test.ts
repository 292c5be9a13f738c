import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { ConsoleHub } from '../../src/console/hub/hub.js';
import { LayerLog } from '../../src/machine/layer-log.js';
import { explainFound, ownSystemPhase } from '../../src/machine/own-system-phase.js';
import type { Phase } from '../../src/machine/phases.js';
import type { Running } from '../../src/machine/running.js';
import { RotatingLog } from '../../src/state/logs/rotating-log.js';

let directory: string;
let l2: LayerLog;
let hub: ConsoleHub;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-own-'));
  l2 = new LayerLog(new RotatingLog(join(directory, 'log'), { encoding: 'latin1' }));
  hub = new ConsoleHub({ nameOf: () => undefined });
});
afterEach(async () => {
  hub.close();
  l2.close();
  await rm(directory, { recursive: true });
});

function phaseOf(ready: unknown): Phase {
  const disk = { path: '/d', format: 'raw' };
  const config = parseConfig(JSON.stringify({ l2: { disk, ready } }), 'f');
  return ownSystemPhase({ request: { config }, hub, l2 } as unknown as Running);
}
const soon = (): AbortSignal => AbortSignal.timeout(10_000);

describe('ownSystemPhase', () => {
  it('says what it waits for, and that silence is no hang', () => {
    const awaited = (ready: unknown): string => phaseOf(ready).awaited;
    expect(awaited('vm')).toContain('the first VM of your system to touch COM1');
    expect(awaited({ pattern: 'login:' })).toContain('to show /login:/');
    expect(awaited({ seconds: 60 })).toContain('60 s to pass');
    expect(phaseOf('vm')).toMatchObject({ name: 'l2', layer: 'L2', mayIdle: true });
  });

  it('ends at a prompt that the pattern matches', async () => {
    const phase = phaseOf({ pattern: 'host\\d login: $' });
    l2.push(Buffer.from('Debian GNU/Linux 12 host1 ttyS0\r\n\r\nhost1 login: '));
    await phase.run(soon());
  });

  it('lets the time pass, and gives itself more than that', async () => {
    const phase = phaseOf({ seconds: 0 });
    expect(phaseOf({ seconds: 100 }).limitMs - phase.limitMs).toBe(100_000);
    await phase.run(soon());
  });

  it('ends with the reason of the signal where no VM comes', async () => {
    const abort = new AbortController();
    const waiting = phaseOf('vm').run(abort.signal);
    abort.abort(new Error('the limit'));
    await expect(waiting).rejects.toThrow('the limit');
  });
});

describe('explainFound', () => {
  it.each([
    ['no nested virtualization', '', 'neither /dev/kvm nor Xen'],
    ['no VM under KVM', 'kvm\n', 'has started none'],
    ['no VM under Xen', 'xen\n', 'has started none'],
    ['VMs that do not use COM1', 'kvm\nqemu\nqemu\n', 'runs QEMU (2), and no VM has touched COM1'],
  ])('tells %s', (_, found, hint) => {
    expect(explainFound(found)).toContain(hint);
  });
});
