/** What is asked of L1, and what L1 asks for. */
import { once } from 'node:events';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Collector, LinkRig, seen } from '../rig/link-rig.js';

let rig: LinkRig;

beforeEach(async () => {
  rig = await LinkRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('what L1 wants of the line of a VM that is there is passed on', async () => {
  rig.l1.addVm({ slot: 2 });
  const link = await rig.connect();
  new Collector(link);
  await seen(link, (record) => record.slot === 2);
  const lines: [number, boolean][] = [];
  link.on('line', (vm, high) => lines.push([vm.slot, high]));
  rig.l1.send({ type: 'line', slot: 2, generation: 1, high: true });
  rig.l1.send({ type: 'line', slot: 2, generation: 9, high: true });
  rig.l1.send({ type: 'line', slot: 2, generation: 1, high: false });
  await vi.waitFor(() =>
    expect(lines).toEqual([
      [2, true],
      [2, false],
    ]),
  );
  expect(link.stats().stale).toBe(1);
  await link.setIrqMode('ultracall');
  await link.hold(1000);
});

test('requests are answered, refused, timed out and rejected on close', async () => {
  const { signal } = new AbortController();
  const vm = rig.l1.addVm();
  const link = await rig.connect();
  new Collector(link);
  await seen(link, (record) => record.slot === 0);
  await link.setHook(0, 1, false);
  await link.setHltPolicy(0, 1, 'attached');
  await link.sendBreak(0, 1, signal);
  await link.setAttached(0, 1, 3);
  expect(vm.requests).toMatchObject([
    { type: 'hook', on: false },
    { type: 'hltPolicy', policy: 'attached' },
    { type: 'break' },
    { type: 'attached', sessions: 3 },
  ]);
  expect(await link.vmCounters(0, 1)).toMatchObject({ exitsCom1: 1, vcpus: 16 });
  expect(await link.globalCounters()).toMatchObject({ framesIn: 1, uptimeNs: 12 });
  await expect(link.sendBreak(0, 7, signal)).rejects.toMatchObject({ code: 'E_VM_GONE' });
  await link.forget(0, 1);
  rig.l1.answersRequests = false;
  const pending = link.globalCounters();
  const closed = once(link, 'close');
  link.close();
  await expect(pending).rejects.toMatchObject({ code: 'E_LINK_CLOSED' });
  await closed;
  await expect(link.globalCounters()).rejects.toMatchObject({ code: 'E_LINK_CLOSED' });
});

test('a request without an answer fails at its deadline', async () => {
  const link = await rig.connect();
  new Collector(link);
  rig.l1.answersRequests = false;
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  try {
    const pending = link.globalCounters();
    const failed = expect(pending).rejects.toMatchObject({ code: 'E_LINK_TIMEOUT' });
    await vi.advanceTimersByTimeAsync(5000);
    await failed;
  } finally {
    vi.useRealTimers();
  }
});
