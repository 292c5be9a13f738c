import { afterEach, beforeEach, expect, test } from 'vitest';

import { GLOBAL_SLOT, Link } from '../../src/link/index.js';
import { attachLink } from '../../src/machine/connect-link.js';
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
