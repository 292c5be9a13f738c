import { afterEach, beforeEach, expect, test } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { ConsoleHub } from '../../src/console/hub/hub.js';
import { GLOBAL_SLOT, Link } from '../../src/link/index.js';
import { attachLink } from '../../src/machine/connect-link.js';
import type { Running } from '../../src/machine/running.js';
import { FakeL1 } from '../rig/fake-l1.js';

let l1: FakeL1;
let link: Link;
let running: Running;

beforeEach(async () => {
  l1 = await FakeL1.start();
  const signal = AbortSignal.timeout(5000);
  link = await Link.connect(l1.socketPath, { signal, timeoutMs: 5000 });
  // It reads from its first listener on.
  link.on('data', () => undefined);
  const failed = new AbortController();
  // Nothing is to be linked again at the end.
  failed.abort();
  running = {
    ...{ hub: new ConsoleHub({ nameOf: () => undefined }), hooks: new Map(), failed },
    ...{ request: { config: parseConfig('{}', 'a test') }, log: () => undefined },
  } as unknown as Running;
});

afterEach(async () => {
  link.close();
  running.hub.close();
  await l1.stop();
});

test("an L1 of a saved state gets the configuration's interrupt path and HLT policy, whatever renewing it has set", async () => {
  await link.setHltPolicy(GLOBAL_SLOT, 0, 'attached');
  await attachLink(running, link);
  expect(l1.requests.slice(1)).toMatchObject([
    { type: 'irqMode', mode: 'direct' },
    { type: 'hltPolicy', slot: GLOBAL_SLOT, policy: 'adaptive' },
  ]);
  await running.interrupts?.switchTo('doorbell', AbortSignal.timeout(5000));
  expect(l1.requests).toContainEqual(
    expect.objectContaining({ type: 'irqMode', mode: 'doorbell' }),
  );
});
