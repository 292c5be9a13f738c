/** Sessions at one console: who reads, who types, and what waits for the VM. */
import { once } from 'node:events';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { HubRig, noticesOf, read, uuid1, uuid2 } from '../../rig/hub-rig.js';

let rig: HubRig;

beforeEach(async () => {
  rig = await HubRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('two VMs are not mixed up, in either direction', async () => {
  const a = rig.l1.addVm({ slot: 0, uuid: uuid1 });
  const b = rig.l1.addVm({ slot: 1, uuid: uuid2 });
  const sessionA = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'a' });
  const sessionB = (await rig.consoleOf('vm2')).openSession({ mode: 'rw', label: 'b' });
  for (let i = 0; i < 50; i++) {
    a.print('A'.repeat(100));
    b.print('B'.repeat(100));
    sessionA.write(Buffer.from('a'));
    sessionB.write(Buffer.from('b'));
  }
  expect(await read(sessionA, 5000)).toBe('A'.repeat(5000));
  expect(await read(sessionB, 5000)).toBe('B'.repeat(5000));
  expect(String(await a.inputReached(50))).toBe('a'.repeat(50));
  expect(String(await b.inputReached(50))).toBe('b'.repeat(50));
  expect(rig.hub.list().map(({ name }) => name)).toEqual(['vm1', 'vm2']);
});

test('a slow reader delays nobody, and is told what it missed', async () => {
  const vm = rig.l1.addVm({ uuid: uuid1 });
  const console = await rig.consoleOf('vm1');
  const fast = console.openSession({ mode: 'ro', label: 'fast' });
  const slow = console.openSession({ mode: 'ro', label: 'slow' });
  const total = 200_000;
  vm.print(Buffer.alloc(total, 'x'));
  expect((await read(fast, total)).length).toBe(total);
  expect(fast.missed).toBe(0);
  const chunk = slow.read();
  expect(chunk?.missed).toBe(total - 64 * 1024);
  expect(slow.missed).toBe(total - 64 * 1024);
});

test('L1 is told how many sessions may type, also after the VM moved', async () => {
  const vm = rig.l1.addVm({ uuid: uuid1 });
  const console = await rig.consoleOf('vm1');
  const one = console.openSession({ mode: 'rw', label: 'one' });
  console.openSession({ mode: 'rw', label: 'two' });
  console.openSession({ mode: 'ro', label: 'watcher' });
  console.openSession({ mode: 'ro', label: 'readiness', counted: false });
  await vm.requested('attached', (request) => request.sessions === 2);
  one.close();
  await vm.requested('attached', (request) => request.sessions === 1 && vm.requests.length >= 3);
  vm.update({ state: 'gone' });
  const moved = rig.l1.addVm({ slot: 4, generation: 9, uuid: uuid1 });
  await moved.requested('attached', (request) => request.sessions === 1);
  expect(console.info().sessions.map(({ label }) => label)).toEqual(['two', 'watcher']);
});

test('a read-only session can neither type nor send a BREAK; a writer can', async () => {
  const vm = rig.l1.addVm({ uuid: uuid1 });
  const console = await rig.consoleOf('vm1');
  const watcher = console.openSession({ mode: 'ro', label: 'w' });
  expect(() => watcher.write(Buffer.from('x'))).toThrow(
    expect.objectContaining({ code: 'E_CONSOLE_REFUSED' }),
  );
  await expect(watcher.sendBreak()).rejects.toMatchObject({ code: 'E_CONSOLE_REFUSED' });
  await console.openSession({ mode: 'rw', label: 'rw' }).sendBreak();
  await vm.requested('break');
});

test('input is held back while the VM does not read, and none of it is lost', async () => {
  const vm = rig.l1.addVm({ uuid: uuid1 });
  vm.window = 0;
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  const paste = Buffer.from(Array.from({ length: 150_000 }, (_, i) => (i * 7) & 0xff));
  expect(session.write(paste.subarray(0, 100_000))).toBe(false);
  const drained = once(session, 'drain');
  vm.setWindow(4096);
  await drained;
  session.write(paste.subarray(100_000));
  expect((await vm.inputReached(paste.length)).equals(paste)).toBe(true);
});

test('sessions that come and go cannot heap up input without end', async () => {
  const vm = rig.l1.addVm({ uuid: uuid1 });
  vm.window = 0;
  const console = await rig.consoleOf('vm1');
  const type = (): void => {
    const session = console.openSession({ mode: 'rw', label: 'me', take: true });
    try {
      session.write(Buffer.alloc(1024 * 1024));
    } finally {
      session.close();
    }
  };
  for (let count = 0; count < 8; count++) type();
  expect(type).toThrow(expect.objectContaining({ code: 'E_CONSOLE_REFUSED' }));
});

test('one session types at a time: others wait, take it over, or type when nobody does', async () => {
  const vm = rig.l1.addVm({ uuid: uuid1 });
  const console = await rig.consoleOf('vm1');
  const first = console.openSession({ mode: 'rw', label: 'first' });
  const second = console.openSession({ mode: 'rw', label: 'second' });
  const notices = noticesOf(second);
  expect([first.writes, second.writes]).toEqual([true, false]);
  expect(() => second.write(Buffer.from('no'))).toThrow('first types at this console');
  const lost = once(first, 'role');
  second.claim(true);
  expect(await lost).toEqual([false, 'second']);
  second.write(Buffer.from('a'));
  expect(() => first.write(Buffer.from('no'))).toThrow(
    expect.objectContaining({ code: 'E_CONSOLE_REFUSED' }),
  );
  const third = console.openSession({ mode: 'rw', label: 'third', take: true });
  expect(console.info().sessions.map(({ label, writes }) => [label, writes])).toEqual([
    ['first', false],
    ['second', false],
    ['third', true],
  ]);
  third.close();
  expect(notices).toEqual(['third has left, nobody types here now']);
  first.write(Buffer.from('b'));
  expect(first.writes).toBe(true);
  expect(String(await vm.inputReached(2))).toBe('ab');
});

test('closing the hub ends the sessions', async () => {
  rig.l1.addVm({ uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  const ended = once(session, 'end');
  rig.hub.close();
  expect(await ended).toEqual(['hub-closed']);
});
