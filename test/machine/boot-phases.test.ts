import { setImmediate as turn } from 'node:timers/promises';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { bootPhases } from '../../src/machine/boot-phases.js';
import { GLOBAL_SLOT } from '../../src/link/index.js';
import { FakeStack } from '../rig/fake-stack.js';
import { muteServer } from '../rig/mute-server.js';

let stack: FakeStack;
beforeEach(async () => {
  stack = await FakeStack.start();
  stack.l1.awake = false;
});
afterEach(async () => {
  await stack.stop();
});

test('each phase of a boot waits for the sign of its own layer', async () => {
  const running = await stack.launch();
  const signs: Record<string, () => void> = {
    'l1-xen': () => stack.say('l1', '(XEN) Xen version 4.17.5\r\n'),
    link: () => {
      stack.l1.awake = true;
    },
    'l1-dom0': () => stack.say('l1', 'vsbypass-l1: ready\r\n'),
    l2: () => stack.say('l2', 'vsbypass-l2: ready\r\n'),
    'vm:vm1': () => void stack.addVm(running),
    'login:vm1': () => stack.guest.push('vm1 login: '),
  };
  const phases = bootPhases(running);
  expect(phases.map(({ name }) => name)).toEqual(['qemu', ...Object.keys(signs)]);
  for (const phase of phases) {
    let passed = false;
    const run = phase.run(AbortSignal.timeout(5000)).then(() => {
      passed = true;
    });
    const sign = signs[phase.name];
    if (sign !== undefined) {
      for (let turns = 0; turns < 20; turns++) await turn();
      expect(passed, phase.name).toBe(false);
      sign();
    }
    await run;
  }
  // L1's and L2's consoles are read before the machine runs: nothing of what they print is lost.
  expect(stack.told).toEqual(['open', 'run']);
  expect(stack.l1.requests).toMatchObject([
    { type: 'irqMode', mode: 'direct' },
    { type: 'hltPolicy', slot: GLOBAL_SLOT, policy: 'adaptive' },
  ]);
  expect(running.gateway?.port).toBeGreaterThan(0);
});

test('a VM whose console is left to L2 logs in where L2 sees it', async () => {
  const config = '{"console": {"mode": "baseline"}}';
  const running = await stack.launch(stack.request({}, config));
  stack.l1.awake = true;
  const phases = bootPhases(running);
  const signal = AbortSignal.timeout(5000);
  for (const name of ['qemu', 'link']) await phases.find((one) => one.name === name)?.run(signal);
  const vm = stack.addVm(running);
  expect(await vm.requested('hook')).toMatchObject({ on: false });
  await phases.find(({ name }) => name === 'login:vm1')?.run(signal);
  expect(stack.calls.l2.map(({ command }) => command)).toEqual([
    expect.stringContaining("grep -q 'login:'"),
  ]);
});

test('the start of a user VM in its turn takes as long as its phase may', async () => {
  const server = await muteServer();
  const request = stack.request(
    {},
    '{"l2": {"kind": "xen"}, "vms": [{"name": "a"}, {"name": "b"}]}',
  );
  const running = await stack.launch({
    ...request,
    config: { ...request.config, patience: 0.001 },
  });
  const target = { layer: 'L2', host: '127.0.0.1', port: server.port } as const;
  const l2 = {
    ...target,
    privateKey: running.secrets.management.privatePem,
    hostKeyLine: undefined,
  };
  running.management = { l1: l2, l2 };
  const phase = bootPhases(running).find(({ name }) => name === 'vm:b');
  // What ends it is the limit of the phase, however far that has been stretched.
  await expect(phase?.run(AbortSignal.timeout(1000))).rejects.toMatchObject({
    name: 'TimeoutError',
  });
  expect(phase?.limitMs).toBeLessThan(1000);
  await server.stop();
});
