/** VMs, links and whole boots of L1 that go and come back: what becomes of the consoles. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { eventually } from '../../rig/eventually.js';
import { HubRig, noticesOf, read, uuid1 } from '../../rig/hub-rig.js';

let rig: HubRig;

beforeEach(async () => {
  rig = await HubRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('a restarted VM continues its console in another slot, and sessions go on', async () => {
  const first = rig.l1.addVm({ slot: 0, uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  first.print('one ');
  expect(await read(session, 4)).toBe('one ');
  first.update({ state: 'gone' });
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('gone'));
  session.write(Buffer.from('password for nobody'));
  const second = rig.l1.addVm({ slot: 5, generation: 2 });
  second.print('two ');
  second.update({ uuid: uuid1 });
  expect(await read(session, 4)).toBe('two ');
  expect(rig.hub.list().map(({ name }) => name)).toEqual(['vm1']);
  session.write(Buffer.from('ls'));
  expect(String(await second.inputReached(2))).toBe('ls');
  expect(session.ended).toBeUndefined();
});

test('who reads is told where a VM has started again, once, and before it prints anything', async () => {
  const first = rig.l1.addVm({ uuid: uuid1 });
  const console = await rig.consoleOf('vm1');
  const [session, late] = [1, 2].map(() => console.openSession({ mode: 'ro', label: 'me' }));
  first.print('one ');
  await eventually(() => expect(console.history.end).toBe(4));
  expect(session?.read()).toMatchObject({ startedAgain: false });
  first.update({ state: 'gone' });
  await eventually(() => expect(console.state).toBe('gone'));
  const second = rig.l1.addVm({ uuid: uuid1, generation: 2 });
  await eventually(() => expect(console.state).toBe('running'));
  expect(session?.read()).toEqual({ bytes: Buffer.alloc(0), missed: 0, startedAgain: true });
  second.print('two');
  await eventually(() => expect(console.history.end).toBe(7));
  expect(session?.read()).toMatchObject({ bytes: Buffer.from('two'), startedAgain: false });
  expect(late?.read()).toMatchObject({ bytes: Buffer.from('one '), startedAgain: false });
  expect(late?.read()).toMatchObject({ bytes: Buffer.from('two'), startedAgain: true });
  const next = console.openSession({ mode: 'ro', label: 'next', from: 'now' });
  expect(next.read()).toBeUndefined();
  expect(String(console.history.snapshot('|'))).toBe('one |two');
});

test('a VM that stays away ends its sessions; its history stays readable', async () => {
  const vm = rig.l1.addVm({ uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  vm.print('panic');
  await once(session, 'readable');
  const ended = once(session, 'end');
  const gone = once(rig.hub, 'vm-gone');
  vm.update({ state: 'gone' });
  expect(await ended).toEqual(['vm-gone']);
  await gone;
  expect(session.read()?.bytes.toString()).toBe('panic');
  expect(() => session.write(Buffer.from('x'))).toThrow(
    expect.objectContaining({ code: 'E_CONSOLE_CLOSED' }),
  );
  expect(
    rig.hub.vm('vm1')?.openSession({ mode: 'ro', label: 'later' }).read()?.bytes.toString(),
  ).toBe('panic');
});

test('a VM that is back after the link was cut twice stays', async () => {
  const vm = rig.l1.addVm({ uuid: uuid1 });
  const console = await rig.consoleOf('vm1');
  rig.l1.cut();
  await eventually(() => expect(console.state).toBe('lost'));
  rig.l1.remove(vm);
  await rig.reconnect();
  rig.l1.cut();
  await eventually(() => expect(rig.link.closed).toBe(true));
  await rig.reconnect();
  rig.l1.addVm({ uuid: uuid1 });
  await eventually(() => expect(console.state).toBe('running'));
  // Longer than the grace that began with the first cut.
  await delay(300);
  expect(console.state).toBe('running');
});

test('consoles survive a cut link: same names, no byte twice, input that waited is delivered', async () => {
  const vm = rig.l1.addVm({ uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  vm.print('before ');
  expect(await read(session, 7)).toBe('before ');
  rig.l1.cut();
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('lost'));
  session.write(Buffer.from('typed meanwhile'));
  vm.print('meanwhile');
  await rig.reconnect();
  expect(await read(session, 9)).toBe('meanwhile');
  expect(String(await vm.inputReached(15))).toBe('typed meanwhile');
});

test('input for a VM of another boot of L1 is dropped, not given to its successor', async () => {
  rig.l1.addVm({ uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  rig.l1.cut();
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('lost'));
  session.write(Buffer.from('password'));
  rig.l1.reboot(2n);
  const successor = rig.l1.addVm({ uuid: uuid1 });
  await rig.reconnect();
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('running'));
  session.write(Buffer.from('hello'));
  expect(String(await successor.inputReached(5))).toBe('hello');
});

test('a reboot of L1 on the same link ends VMs and starts them again under their names', async () => {
  rig.l1.addVm({ uuid: uuid1 }).print('old ');
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  expect(await read(session, 4)).toBe('old ');
  rig.l1.reboot(7n);
  rig.l1.addVm({ uuid: uuid1 }).print('new');
  expect(await read(session, 3)).toBe('new');
});

test('those at a console are told when its VM or the link goes and comes back', async () => {
  rig.l1.addVm({ uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'ro', label: 'me' });
  const notices = noticesOf(session);
  rig.l1.cut();
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('lost'));
  await rig.reconnect();
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('running'));
  rig.l1.reboot(7n);
  rig.l1.addVm({ uuid: uuid1, generation: 2 });
  await eventually(() => expect(notices).toHaveLength(4));
  expect(notices.map((text) => text.slice(0, 23))).toEqual([
    'the link to the VM is l',
    'the link to the VM is b',
    'the VM has ended; if it',
    'the VM is back: started',
  ]);
});

test('VMs come and go by the hundred: the latest histories stay', async () => {
  for (let count = 1; count <= 100; count++) {
    const uuid = `${String(count).padStart(8, '0')}-0000-4000-8000-000000000000`;
    const gone = once(rig.hub, 'vm-gone');
    const vm = rig.l1.addVm({ slot: count % 4, generation: count, uuid });
    vm.update({ state: 'gone' });
    expect(await gone).toMatchObject([{ name: `vm-${uuid.slice(0, 8)}` }]);
  }
  expect(rig.hub.list()).toHaveLength(16);
  expect(rig.hub.vm('vm-00000100')).toBeDefined();
});
