import { afterEach, beforeEach, expect, it } from 'vitest';

import { listVms, parseVmList } from '../../src/machine/vms-in-l2.js';
import { FakeStack } from '../rig/fake-stack.js';

let stack: FakeStack;
beforeEach(async () => {
  stack = await FakeStack.start();
});
afterEach(async () => {
  await stack.stop();
});
const signal = AbortSignal.timeout(30_000);

it("L2's list of VMs has names, states and pids", async () => {
  expect(parseVmList('vm1\trunning\t120\nvm2\tstopped\t-\n')).toEqual([
    { name: 'vm1', state: 'running', pid: 120 },
    { name: 'vm2', state: 'stopped' },
  ]);
  stack.answer = () => ({ stdout: 'vm1\trunning\t7\n' });
  const running = await stack.connect();
  expect(await listVms(running, signal)).toEqual([{ name: 'vm1', state: 'running', pid: 7 }]);
});

it("is not asked of a system of the user's own", async () => {
  const own = '{"l2": {"disk": {"path": "/d", "format": "raw"}}}';
  const other = await stack.launch(stack.request({}, own));
  await expect(listVms(other, signal)).rejects.toMatchObject({ code: 'E_L2_OWN' });
});
