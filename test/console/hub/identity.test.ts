/** Which VM has a name, its sessions and its history: no VM comes by those of another. */
import { once } from 'node:events';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { eventually } from '../../rig/eventually.js';
import { HubRig, noticesOf, read, uuid1, uuid2 } from '../../rig/hub-rig.js';

let rig: HubRig;

beforeEach(async () => {
  rig = await HubRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('a VM is known by its slot first, keeps its history when its label comes, and its session too', async () => {
  const vm = rig.l1.addVm({ slot: 3 });
  vm.print('boot ');
  const session = (await rig.consoleOf('slot-3-1')).openSession({ mode: 'rw', label: 'me' });
  expect(await read(session, 5)).toBe('boot ');
  const renamed = once(rig.hub, 'vm-renamed');
  vm.update({ uuid: uuid1 });
  expect(await renamed).toMatchObject([{ name: 'vm1' }, 'slot-3-1']);
  expect(rig.hub.vm('slot-3-1')).toBe(rig.hub.vm('vm1'));
  vm.print('login:');
  expect(await read(session, 6)).toBe('login:');
  const late = rig.hub.vm('vm1')?.openSession({ mode: 'ro', label: 'late' });
  expect(late && (await read(late, 11))).toBe('boot login:');
});

test('a VM without a name leaves nothing behind for the next one in its slot', async () => {
  const vm = rig.l1.addVm({ slot: 2 });
  vm.print('secret');
  const session = (await rig.consoleOf('slot-2-1')).openSession({ mode: 'ro', label: 'me' });
  expect(await read(session, 6)).toBe('secret');
  const ended = once(session, 'end');
  vm.update({ state: 'gone' });
  await ended;
  rig.l1.addVm({ slot: 2, generation: 2 }).print('next');
  const next = (await rig.consoleOf('slot-2-2')).openSession({ mode: 'ro', label: 'me' });
  expect(await read(next, 4)).toBe('next');
});

test('a name is not taken from a running VM, but from a silent one, whose slot is freed', async () => {
  const real = rig.l1.addVm({ slot: 0, uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  const other = rig.l1.addVm({ slot: 1, uuid: uuid1 });
  other.print('I am vm1, type your password');
  const stranger = (await rig.consoleOf('slot-1-1')).openSession({ mode: 'ro', label: 'me' });
  expect(await read(stranger, 28)).toContain('password');
  session.write(Buffer.from('typed'));
  expect(String(await real.inputReached(5))).toBe('typed');
  expect(other.input.length).toBe(0);
  real.update({ state: 'silent' });
  expect(await read(session, 28)).toContain('I am vm1');
  await real.requested('forget');
  session.write(Buffer.from('again'));
  expect(String(await other.inputReached(5))).toBe('again');
});

test('a VM that brings the label of another after a reset gets neither its name nor its sessions', async () => {
  const victim = rig.l1.addVm({ slot: 0, uuid: uuid1 });
  const attacker = rig.l1.addVm({ slot: 1, uuid: uuid2 });
  const atVictim = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'a' });
  const atAttacker = (await rig.consoleOf('vm2')).openSession({ mode: 'rw', label: 'b' });
  const [toldA, toldB] = [noticesOf(atVictim), noticesOf(atAttacker)];
  for (const state of ['running', 'silent', 'gone'] as const) {
    victim.update({ state });
    await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe(state));
    const before = attacker.record.generation;
    rig.l1.remove(attacker);
    const renewed = rig.l1.addVm({
      ...{ slot: 1, generation: before + 1, uuid: uuid1, doubtful: true },
    });
    attacker.record = renewed.record;
    renewed.print('login: ');
    const doubtful = await rig.consoleOf(`slot-1-${before + 1}`);
    await eventually(() => expect(doubtful.history.end).toBe(7));
    expect(rig.hub.vm('vm1')?.vm?.slot).toBe(0);
    expect(rig.hub.find(uuid1)).toBe(rig.hub.vm('vm1'));
  }
  expect(atVictim.read()).toBeUndefined();
  expect(atAttacker.read()).toBeUndefined();
  expect(toldB).toContain(`after a reset this VM has the label ${uuid1}: as slot-1-2 it goes on`);
  expect(toldA).toEqual(['the VM has ended; if it starts again, this session goes on']);
});

test('a VM that loses its label on the way loses its name for good', async () => {
  const vm = rig.l1.addVm({ slot: 0, uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  const told = noticesOf(session);
  vm.update({ uuid: uuid2 });
  await eventually(() => expect(rig.hub.vm('slot-0-1')?.name).toBe('slot-0-1'));
  const nameless = await rig.consoleOf('slot-0-1');
  vm.update({ uuid: uuid1 });
  vm.print('login: ');
  await eventually(() => expect(nameless.history.end).toBe(7));
  expect(nameless.name).toBe('slot-0-1');
  expect(session.read()).toBeUndefined();
  expect(told[0]).toBe('this VM has changed its label: as slot-0-1 it goes on');
});

test('another L2 gets no name that this one has, not even that of a VM that is gone', async () => {
  const mine = rig.l1.addVm({ slot: 0, domid: 1, uuid: uuid1 });
  rig.l1.addVm({ slot: 1, domid: 1, uuid: uuid2 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  await rig.consoleOf('vm2');
  mine.update({ state: 'gone' });
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('gone'));
  rig.l1.addVm({ slot: 2, domid: 2, uuid: uuid1 }).print('login: ');
  const foreign = await rig.consoleOf('slot-2-1');
  await eventually(() => expect(foreign.history.end).toBe(7));
  expect(foreign.name).toBe('slot-2-1');
  expect(session.read()).toBeUndefined();
});

test('a name goes on to another L2 when the first one has no VM any more, without its sessions', async () => {
  const mine = rig.l1.addVm({ slot: 0, domid: 1, uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  mine.print('secret');
  await once(session, 'readable');
  mine.update({ state: 'gone' });
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('gone'));
  const ended = once(session, 'end');
  rig.l1.addVm({ slot: 1, domid: 2, uuid: uuid1 });
  expect(await ended).toEqual(['vm-gone']);
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('running'));
  expect(rig.hub.vm('vm1')?.history.end).toBe(0);
});

test('two VMs with one UUID: those at either are told, and nobody is let in by that name', async () => {
  rig.l1.addVm({ slot: 0, uuid: uuid1 });
  const first = await rig.consoleOf('vm1');
  const told = noticesOf(first.openSession({ mode: 'rw', label: 'me' }));
  const other = rig.l1.addVm({ slot: 1, uuid: uuid1 });
  await rig.consoleOf('slot-1-1');
  expect(told).toEqual(['another VM runs with the same UUID, as slot-1-1: one of them is not it']);
  for (const word of ['vm1', uuid1, uuid1.slice(0, 35)]) {
    expect(() => rig.hub.find(word)).toThrow(
      expect.objectContaining({
        code: 'E_VM_AMBIGUOUS',
        message: expect.stringContaining('say which, of slot-0-1, slot-1-1') as string,
      }),
    );
  }
  expect(rig.hub.find('slot-0-1')).toBe(first);
  expect(rig.hub.nameOf('slot-0-1')).toBe('vm1');
  expect(rig.hub.nameOf('slot-1-1')).toBe('slot-1-1');
  other.update({ state: 'gone' });
  await eventually(() => expect(told).toHaveLength(2));
  expect(rig.hub.find('vm1')).toBe(first);
});

test('a VM is found by its UUID, by the beginning of it, and by a name that is made of it', async () => {
  const uuid = 'deadbeef-1111-4222-8333-444444444444';
  rig.l1.addVm({ slot: 0, uuid });
  const console = await rig.consoleOf('vm-deadbeef');
  for (const word of ['vm-deadbeef', uuid, uuid.toUpperCase(), 'dead', 'deadbeef-11', 'slot-0-1']) {
    expect(rig.hub.find(word)).toBe(console);
    expect(rig.hub.nameOf(word)).toBe('vm-deadbeef');
  }
  for (const word of ['dea', 'deadbeef-', 'beef', 'deadbeef1', 'slot-0', 'slot-0-2', '']) {
    expect(rig.hub.find(word)).toBe(word === 'deadbeef-' ? console : undefined);
  }
  const alike = 'deadbeef-1111-4222-8333-555555555555';
  rig.l1.addVm({ slot: 1, uuid: alike });
  await rig.consoleOf(`vm-${alike.replaceAll('-', '')}`);
  expect(() => rig.hub.find('deadbeef-1111')).toThrow(
    expect.objectContaining({ code: 'E_VM_AMBIGUOUS' }),
  );
  expect(rig.hub.find('deadbeef-1111-4222-8333-5')?.vm?.slot).toBe(1);
});

test('who claims a UUID in doubt is not found by it', async () => {
  rig.l1.addVm({ slot: 0, uuid: uuid1, doubtful: true });
  await rig.consoleOf('slot-0-1');
  expect(rig.hub.find('vm1')).toBeUndefined();
  expect(rig.hub.find(uuid1)).toBeUndefined();
  expect(rig.hub.nameOf(uuid1)).toBe(uuid1);
});
