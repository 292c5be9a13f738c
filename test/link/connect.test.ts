/** How a link begins, goes on where a cut one ended, and begins anew when L1 does. */
import { once } from 'node:events';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { Link } from '../../src/link/index.js';
import { Collector, LinkRig, seen } from '../rig/link-rig.js';

let rig: LinkRig;

beforeEach(async () => {
  rig = await LinkRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('connect waits for a hypervisor that boots later, repeating HELLO', async () => {
  rig.l1.awake = false;
  const connecting = rig.connect();
  await vi.waitFor(() => expect(rig.l1.sockets).toBe(1));
  rig.l1.awake = true;
  const link = await connecting;
  expect(link.hello).toMatchObject({ xenVersion: '4.17-test', slots: 16, bootId: 1n });
});

test('connect fails with a code for each cause', async () => {
  const signal = new AbortController().signal;
  await expect(
    Link.connect(`${rig.l1.socketPath}.not`, { signal, timeoutMs: 100 }),
  ).rejects.toMatchObject({
    code: 'E_LINK_CONNECT',
  });
  rig.l1.awake = false;
  await expect(rig.connect({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'E_LINK_TIMEOUT' });
  rig.l1.awake = true;
  rig.l1.hello = { ...rig.l1.hello, version: 2 };
  await expect(rig.connect()).rejects.toMatchObject({ code: 'E_LINK_VERSION' });
  const reason = new VsbError('E_INTERRUPTED', 'stop');
  await expect(rig.connect({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  rig.l1.awake = false;
  const controller = new AbortController();
  const connecting = rig.connect({ signal: controller.signal });
  controller.abort(reason);
  await expect(connecting).rejects.toBe(reason);
});

test('a listener that attaches right after connect misses neither VM nor byte', async () => {
  const vm = rig.l1.addVm({ domid: 5 });
  vm.print('before anyone came');
  const link = await rig.connect();
  expect(link.vms()).toEqual([]);
  const collector = new Collector(link);
  expect(String(await collector.reached(18))).toBe('before anyone came');
  expect(link.vms()).toMatchObject([{ slot: 0, generation: 1, domid: 5, state: 'running' }]);
});

test('a link that resumes a cut one neither repeats nor loses a byte', async () => {
  const vm = rig.l1.addVm();
  const first = await rig.connect();
  const collector = new Collector(first);
  vm.print('one ');
  await collector.reached(4);
  await vi.waitFor(() => expect(vm.sender.buffered).toBe(0));
  // From here on nothing reaches L1 any more: neither our acknowledgement nor the input.
  rig.l1.spoilIn = () => Buffer.alloc(0);
  vm.print('two ');
  await collector.reached(8);
  first.write(0, 1, Buffer.from('typed'));
  const closed = new Promise<void>((resolve) => first.on('close', resolve));
  rig.l1.cut();
  await closed;
  rig.l1.spoilIn = (bytes) => bytes;
  vm.print('three');
  const second = await rig.connect({ resume: first });
  const rest = new Collector(second);
  expect(String(await rest.reached(5))).toBe('three');
  expect(String(await vm.inputReached(5))).toBe('typed');
  expect(second.stats()).toMatchObject({ lostBytes: 0 });
});

test('a reboot of L1 resets everything and rejects what is pending', async () => {
  rig.l1.addVm();
  const link = await rig.connect();
  const collector = new Collector(link);
  await seen(link, (record) => record.slot === 0);
  rig.l1.answersRequests = false;
  const pending = expect(link.globalCounters()).rejects.toMatchObject({ code: 'E_LINK_CLOSED' });
  const resync = once(link, 'resync');
  rig.l1.reboot(2n);
  expect(await resync).toMatchObject([{ bootId: 2n }]);
  await pending;
  expect(link.vms()).toEqual([]);
  rig.l1.addVm().print('new life');
  expect(String(await collector.reached(8))).toBe('new life');
});
