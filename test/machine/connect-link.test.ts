import { setTimeout as delay } from 'node:timers/promises';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { GLOBAL_SLOT, Link } from '../../src/link/index.js';
import { attachLink } from '../../src/machine/connect-link.js';
import { eventually } from '../rig/eventually.js';
import { FakeStack } from '../rig/fake-stack.js';

let stack: FakeStack;
beforeEach(async () => {
  stack = await FakeStack.start();
});
afterEach(async () => {
  await stack.stop();
});

test("an L1 of a saved state gets the configuration's interrupt path and HLT policy, whatever renewing it has set", async () => {
  const running = await stack.launch();
  const signal = AbortSignal.timeout(5000);
  const link = await Link.connect(stack.paths.linkSocket, { signal, timeoutMs: 5000 });
  // It reads from its first listener on.
  link.on('data', () => undefined);
  await link.setHltPolicy(GLOBAL_SLOT, 0, 'attached');
  await attachLink(running, link);
  expect(stack.l1.requests.slice(1)).toMatchObject([
    { type: 'irqMode', mode: 'direct' },
    { type: 'hltPolicy', slot: GLOBAL_SLOT, policy: 'adaptive' },
  ]);
  await running.interrupts?.switchTo('doorbell', AbortSignal.timeout(5000));
  expect(stack.l1.requests).toContainEqual(
    expect.objectContaining({ type: 'irqMode', mode: 'doorbell' }),
  );
});

test('a link that is cut while L1 is slow is made again once, and then left alone', async () => {
  const running = await stack.connect();
  const { l1 } = stack;
  const settled = async (): Promise<void> => {
    const { sockets } = l1;
    const { link } = running;
    // Two attempts would have begun by then.
    await delay(1500);
    expect(running.link).toBe(link);
    expect(l1.sockets).toBe(sockets);
    expect(await link?.globalCounters()).toMatchObject({ uptimeNs: expect.any(Number) as number });
  };
  await settled();
  l1.answersRequests = false;
  l1.cut();
  await eventually(() => expect(l1.sockets).toBe(2));
  const slow = running.link;
  // What it is asked at first is not answered in time.
  await eventually(() => expect(l1.sockets).toBe(3));
  expect(slow?.closed).toBe(true);
  l1.answersRequests = true;
  await eventually(() => expect(running.link?.closed).toBe(false));
  await eventually(settled);
});
