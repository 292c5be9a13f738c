import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { ConsoleHub } from '../../../src/console/hub/hub.js';
import type { Session } from '../../../src/console/hub/session.js';
import type { VmConsole } from '../../../src/console/hub/vm-console.js';
import { Link } from '../../../src/link/index.js';
import { FakeL1 } from '../../rig/fake-l1.js';

const uuid1 = '00000000-0000-4000-8000-000000000001';
const uuid2 = '00000000-0000-4000-8000-000000000002';
const names: Record<string, string> = { [uuid1]: 'vm1', [uuid2]: 'vm2' };
const never = new AbortController().signal;

let l1: FakeL1;
let hub: ConsoleHub;
let link: Link;

beforeEach(async () => {
  l1 = await FakeL1.start();
  hub = new ConsoleHub({
    historyBytes: 64 * 1024,
    nameOf: (vm) => (vm.uuid === undefined ? undefined : names[vm.uuid]),
    goneGraceMs: 150,
  });
  link = await attach();
});

afterEach(async () => {
  hub.close();
  link.close();
  await l1.stop();
});

async function attach(resume?: Link): Promise<Link> {
  const options = { signal: never, timeoutMs: 5000, ...(resume === undefined ? {} : { resume }) };
  link = await Link.connect(l1.socketPath, options);
  hub.attachLink(link);
  return link;
}

async function consoleOf(name: string): Promise<VmConsole> {
  return vi.waitFor(() => {
    const console = hub.vm(name);
    if (console === undefined) throw new Error(`no ${name} yet`);
    return console;
  });
}

/** Reads a session until so much has come. */
async function read(session: Session, length: number): Promise<string> {
  let text = '';
  if (length === 0) return text;
  for await (const chunk of session.chunks(AbortSignal.timeout(5000))) {
    text += chunk.bytes.toString('latin1');
    if (text.length >= length) break;
  }
  return text;
}

test('a VM is known by its slot first, keeps its history when its label comes, and its session too', async () => {
  const vm = l1.addVm({ slot: 3 });
  vm.print('boot ');
  const session = (await consoleOf('slot-3-1')).openSession({ mode: 'rw', label: 'me' });
  expect(await read(session, 5)).toBe('boot ');
  const renamed = once(hub, 'vm-renamed');
  vm.update({ uuid: uuid1 });
  expect(await renamed).toMatchObject([{ name: 'vm1' }, 'slot-3-1']);
  expect(hub.vm('slot-3-1')).toBe(hub.vm('vm1'));
  vm.print('login:');
  expect(await read(session, 6)).toBe('login:');
  const late = hub.vm('vm1')?.openSession({ mode: 'ro', label: 'late' });
  expect(late && (await read(late, 11))).toBe('boot login:');
});

test('two VMs are not mixed up, in either direction', async () => {
  const a = l1.addVm({ slot: 0, uuid: uuid1 });
  const b = l1.addVm({ slot: 1, uuid: uuid2 });
  const sessionA = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'a' });
  const sessionB = (await consoleOf('vm2')).openSession({ mode: 'rw', label: 'b' });
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
  expect(hub.list().map(({ name }) => name)).toEqual(['vm1', 'vm2']);
});

test('a restarted VM continues its console in another slot, and sessions go on', async () => {
  const first = l1.addVm({ slot: 0, uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  first.print('one ');
  expect(await read(session, 4)).toBe('one ');
  first.update({ state: 'gone' });
  await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe('gone'));
  session.write(Buffer.from('password for nobody'));
  const second = l1.addVm({ slot: 5, generation: 2 });
  second.print('two ');
  second.update({ uuid: uuid1 });
  expect(await read(session, 4)).toBe('two ');
  expect(hub.list().map(({ name }) => name)).toEqual(['vm1']);
  session.write(Buffer.from('ls'));
  expect(String(await second.inputReached(2))).toBe('ls');
  expect(session.ended).toBeUndefined();
});

test('a BREAK stays in its place among what is typed, whoever is slow', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  const before: string[] = [];
  vm.on('request', ({ type }) => {
    if (type === 'break') before.push(vm.input.toString());
  });
  vm.setWindow(0);
  const typed = 'm'.repeat(40_000);
  session.write(Buffer.from(typed));
  const first = session.sendBreak();
  session.write(Buffer.from('h'));
  const second = session.sendBreak();
  session.write(Buffer.from('t'));
  vm.setWindow(4096);
  await Promise.all([first, second]);
  expect(String(await vm.inputReached(typed.length + 2))).toBe(`${typed}ht`);
  expect(before).toEqual([typed, `${typed}h`]);
});

test('a BREAK that a VM never comes to is refused, and nothing that waits behind it is lost', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  vm.setWindow(0);
  session.write(Buffer.from('abc'));
  await expect(session.sendBreak()).rejects.toMatchObject({
    ...{ code: 'E_CONSOLE_REFUSED', message: expect.stringContaining('does not read') as string },
  });
  session.write(Buffer.from('d'));
  vm.setWindow(4096);
  expect(String(await vm.inputReached(4))).toBe('abcd');
  expect(vm.requests.map(({ type }) => type)).not.toContain('break');
}, 15_000);

test('a BREAK goes nowhere when its VM goes', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  vm.setWindow(0);
  session.write(Buffer.from('abc'));
  const [first, second] = [session.sendBreak(), session.sendBreak()];
  vm.update({ state: 'gone' });
  await expect(first).rejects.toMatchObject({ code: 'E_VM_GONE' });
  await expect(second).rejects.toMatchObject({ code: 'E_VM_GONE' });
});

test('a VM that stays away ends its sessions; its history stays readable', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  vm.print('panic');
  await once(session, 'readable');
  const ended = once(session, 'end');
  const gone = once(hub, 'vm-gone');
  vm.update({ state: 'gone' });
  expect(await ended).toEqual(['vm-gone']);
  await gone;
  expect(session.read()?.bytes.toString()).toBe('panic');
  expect(() => session.write(Buffer.from('x'))).toThrow(
    expect.objectContaining({ code: 'E_CONSOLE_CLOSED' }),
  );
  expect(hub.vm('vm1')?.openSession({ mode: 'ro', label: 'later' }).read()?.bytes.toString()).toBe(
    'panic',
  );
});

test('a VM without a name leaves nothing behind for the next one in its slot', async () => {
  const vm = l1.addVm({ slot: 2 });
  vm.print('secret');
  const session = (await consoleOf('slot-2-1')).openSession({ mode: 'ro', label: 'me' });
  expect(await read(session, 6)).toBe('secret');
  const ended = once(session, 'end');
  vm.update({ state: 'gone' });
  await ended;
  l1.addVm({ slot: 2, generation: 2 }).print('next');
  const next = (await consoleOf('slot-2-2')).openSession({ mode: 'ro', label: 'me' });
  expect(await read(next, 4)).toBe('next');
});

test('a name is not taken from a running VM, but from a silent one, whose slot is freed', async () => {
  const real = l1.addVm({ slot: 0, uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  const other = l1.addVm({ slot: 1, uuid: uuid1 });
  other.print('I am vm1, type your password');
  const stranger = (await consoleOf('slot-1-1')).openSession({ mode: 'ro', label: 'me' });
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

test('a slow reader delays nobody, and is told what it missed', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  const console = await consoleOf('vm1');
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
  const vm = l1.addVm({ uuid: uuid1 });
  const console = await consoleOf('vm1');
  const one = console.openSession({ mode: 'rw', label: 'one' });
  console.openSession({ mode: 'rw', label: 'two' });
  console.openSession({ mode: 'ro', label: 'watcher' });
  console.openSession({ mode: 'ro', label: 'readiness', counted: false });
  await vm.requested('attached', (request) => request.sessions === 2);
  one.close();
  await vm.requested('attached', (request) => request.sessions === 1 && vm.requests.length >= 3);
  vm.update({ state: 'gone' });
  const moved = l1.addVm({ slot: 4, generation: 9, uuid: uuid1 });
  await moved.requested('attached', (request) => request.sessions === 1);
  expect(console.info().sessions.map(({ label }) => label)).toEqual(['two', 'watcher']);
});

test('a read-only session can neither type nor send a BREAK; a writer can', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  const console = await consoleOf('vm1');
  const watcher = console.openSession({ mode: 'ro', label: 'w' });
  expect(() => watcher.write(Buffer.from('x'))).toThrow(
    expect.objectContaining({ code: 'E_CONSOLE_REFUSED' }),
  );
  await expect(watcher.sendBreak()).rejects.toMatchObject({ code: 'E_CONSOLE_REFUSED' });
  await console.openSession({ mode: 'rw', label: 'rw' }).sendBreak();
  await vm.requested('break');
});

test('input is held back while the VM does not read, and none of it is lost', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  vm.window = 0;
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  const paste = Buffer.from(Array.from({ length: 150_000 }, (_, i) => (i * 7) & 0xff));
  expect(session.write(paste.subarray(0, 100_000))).toBe(false);
  const drained = once(session, 'drain');
  vm.setWindow(4096);
  await drained;
  session.write(paste.subarray(100_000));
  expect((await vm.inputReached(paste.length)).equals(paste)).toBe(true);
});

test('sessions that come and go cannot heap up input without end', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  vm.window = 0;
  const console = await consoleOf('vm1');
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

test('a VM that is back after the link was cut twice stays', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  const console = await consoleOf('vm1');
  l1.cut();
  await vi.waitFor(() => expect(console.state).toBe('lost'));
  l1.remove(vm);
  await attach(link);
  l1.cut();
  await vi.waitFor(() => expect(link.closed).toBe(true));
  await attach(link);
  l1.addVm({ uuid: uuid1 });
  await vi.waitFor(() => expect(console.state).toBe('running'));
  // Longer than the grace that began with the first cut.
  await delay(300);
  expect(console.state).toBe('running');
});

test('consoles survive a cut link: same names, no byte twice, input that waited is delivered', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  vm.print('before ');
  expect(await read(session, 7)).toBe('before ');
  l1.cut();
  await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe('lost'));
  session.write(Buffer.from('typed meanwhile'));
  vm.print('meanwhile');
  await attach(link);
  expect(await read(session, 9)).toBe('meanwhile');
  expect(String(await vm.inputReached(15))).toBe('typed meanwhile');
});

test('input for a VM of another boot of L1 is dropped, not given to its successor', async () => {
  l1.addVm({ uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  l1.cut();
  await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe('lost'));
  session.write(Buffer.from('password'));
  l1.reboot(2n);
  const successor = l1.addVm({ uuid: uuid1 });
  await attach(link);
  await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe('running'));
  session.write(Buffer.from('hello'));
  expect(String(await successor.inputReached(5))).toBe('hello');
});

test('a reboot of L1 on the same link ends VMs and starts them again under their names', async () => {
  l1.addVm({ uuid: uuid1 }).print('old ');
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  expect(await read(session, 4)).toBe('old ');
  l1.reboot(7n);
  l1.addVm({ uuid: uuid1 }).print('new');
  expect(await read(session, 3)).toBe('new');
});

test('closing the hub ends the sessions', async () => {
  l1.addVm({ uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  const ended = once(session, 'end');
  hub.close();
  expect(await ended).toEqual(['hub-closed']);
});

test('one session types at a time: others wait, take it over, or type when nobody does', async () => {
  const vm = l1.addVm({ uuid: uuid1 });
  const console = await consoleOf('vm1');
  const first = console.openSession({ mode: 'rw', label: 'first' });
  const second = console.openSession({ mode: 'rw', label: 'second' });
  const notices: string[] = [];
  second.on('notice', (text) => notices.push(text));
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

test('those at a console are told when its VM or the link goes and comes back', async () => {
  l1.addVm({ uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'ro', label: 'me' });
  const notices: string[] = [];
  session.on('notice', (text) => notices.push(text));
  l1.cut();
  await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe('lost'));
  await attach(link);
  await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe('running'));
  l1.reboot(7n);
  l1.addVm({ uuid: uuid1, generation: 2 });
  await vi.waitFor(() => expect(notices).toHaveLength(4));
  expect(notices.map((text) => text.slice(0, 23))).toEqual([
    'the link to the VM is l',
    'the link to the VM is b',
    'the VM has ended; if it',
    'the VM is back: started',
  ]);
});

/** What a session is told beside the output. */
function noticesOf(session: Session): string[] {
  const notices: string[] = [];
  session.on('notice', (text) => notices.push(text));
  return notices;
}

test('a VM that brings the label of another after a reset gets neither its name nor its sessions', async () => {
  const victim = l1.addVm({ slot: 0, uuid: uuid1 });
  const attacker = l1.addVm({ slot: 1, uuid: uuid2 });
  const atVictim = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'a' });
  const atAttacker = (await consoleOf('vm2')).openSession({ mode: 'rw', label: 'b' });
  const [toldA, toldB] = [noticesOf(atVictim), noticesOf(atAttacker)];
  for (const state of ['running', 'silent', 'gone'] as const) {
    victim.update({ state });
    await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe(state));
    const before = attacker.record.generation;
    l1.remove(attacker);
    const renewed = l1.addVm({
      ...{ slot: 1, generation: before + 1, uuid: uuid1, doubtful: true },
    });
    attacker.record = renewed.record;
    renewed.print('login: ');
    const doubtful = await consoleOf(`slot-1-${before + 1}`);
    await vi.waitFor(() => expect(doubtful.history.end).toBe(7));
    expect(hub.vm('vm1')?.vm?.slot).toBe(0);
    expect(hub.find(uuid1)).toBe(hub.vm('vm1'));
  }
  expect(atVictim.read()).toBeUndefined();
  expect(atAttacker.read()).toBeUndefined();
  expect(toldB).toContain(`after a reset this VM has the label ${uuid1}: as slot-1-2 it goes on`);
  expect(toldA).toEqual(['the VM has ended; if it starts again, this session goes on']);
});

test('a VM that loses its label on the way loses its name for good', async () => {
  const vm = l1.addVm({ slot: 0, uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  const told = noticesOf(session);
  vm.update({ uuid: uuid2 });
  await vi.waitFor(() => expect(hub.vm('slot-0-1')?.name).toBe('slot-0-1'));
  const nameless = await consoleOf('slot-0-1');
  vm.update({ uuid: uuid1 });
  vm.print('login: ');
  await vi.waitFor(() => expect(nameless.history.end).toBe(7));
  expect(nameless.name).toBe('slot-0-1');
  expect(session.read()).toBeUndefined();
  expect(told[0]).toBe('this VM has changed its label: as slot-0-1 it goes on');
});

test('another L2 gets no name that this one has, not even that of a VM that is gone', async () => {
  const mine = l1.addVm({ slot: 0, domid: 1, uuid: uuid1 });
  l1.addVm({ slot: 1, domid: 1, uuid: uuid2 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  await consoleOf('vm2');
  mine.update({ state: 'gone' });
  await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe('gone'));
  l1.addVm({ slot: 2, domid: 2, uuid: uuid1 }).print('login: ');
  const foreign = await consoleOf('slot-2-1');
  await vi.waitFor(() => expect(foreign.history.end).toBe(7));
  expect(foreign.name).toBe('slot-2-1');
  expect(session.read()).toBeUndefined();
});

test('a name goes on to another L2 when the first one has no VM any more, without its sessions', async () => {
  const mine = l1.addVm({ slot: 0, domid: 1, uuid: uuid1 });
  const session = (await consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  mine.print('secret');
  await once(session, 'readable');
  mine.update({ state: 'gone' });
  await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe('gone'));
  const ended = once(session, 'end');
  l1.addVm({ slot: 1, domid: 2, uuid: uuid1 });
  expect(await ended).toEqual(['vm-gone']);
  await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe('running'));
  expect(hub.vm('vm1')?.history.end).toBe(0);
});

test('two VMs with one UUID: those at either are told, and nobody is let in by that name', async () => {
  l1.addVm({ slot: 0, uuid: uuid1 });
  const first = await consoleOf('vm1');
  const told = noticesOf(first.openSession({ mode: 'rw', label: 'me' }));
  const other = l1.addVm({ slot: 1, uuid: uuid1 });
  await consoleOf('slot-1-1');
  expect(told).toEqual(['another VM runs with the same UUID, as slot-1-1: one of them is not it']);
  for (const word of ['vm1', uuid1, uuid1.slice(0, 35)]) {
    expect(() => hub.find(word)).toThrow(
      expect.objectContaining({
        code: 'E_VM_AMBIGUOUS',
        message: expect.stringContaining('say which, of slot-0-1, slot-1-1') as string,
      }),
    );
  }
  expect(hub.find('slot-0-1')).toBe(first);
  expect(hub.nameOf('slot-0-1')).toBe('vm1');
  expect(hub.nameOf('slot-1-1')).toBe('slot-1-1');
  other.update({ state: 'gone' });
  await vi.waitFor(() => expect(told).toHaveLength(2));
  expect(hub.find('vm1')).toBe(first);
});

test('a VM is found by its UUID, by the beginning of it, and by a name that is made of it', async () => {
  const uuid = 'deadbeef-1111-4222-8333-444444444444';
  l1.addVm({ slot: 0, uuid });
  const console = await consoleOf('vm-deadbeef');
  for (const word of ['vm-deadbeef', uuid, uuid.toUpperCase(), 'dead', 'deadbeef-11', 'slot-0-1']) {
    expect(hub.find(word)).toBe(console);
    expect(hub.nameOf(word)).toBe('vm-deadbeef');
  }
  for (const word of ['dea', 'deadbeef-', 'beef', 'deadbeef1', 'slot-0', 'slot-0-2', '']) {
    expect(hub.find(word)).toBe(word === 'deadbeef-' ? console : undefined);
  }
  const alike = 'deadbeef-1111-4222-8333-555555555555';
  l1.addVm({ slot: 1, uuid: alike });
  await consoleOf(`vm-${alike.replaceAll('-', '')}`);
  expect(() => hub.find('deadbeef-1111')).toThrow(
    expect.objectContaining({ code: 'E_VM_AMBIGUOUS' }),
  );
  expect(hub.find('deadbeef-1111-4222-8333-5')?.vm?.slot).toBe(1);
});

test('who claims a UUID in doubt is not found by it', async () => {
  l1.addVm({ slot: 0, uuid: uuid1, doubtful: true });
  await consoleOf('slot-0-1');
  expect(hub.find('vm1')).toBeUndefined();
  expect(hub.find(uuid1)).toBeUndefined();
  expect(hub.nameOf(uuid1)).toBe(uuid1);
});

test('those at a console are told of a vCPU that was added late', async () => {
  const vm = l1.addVm({ slot: 0, uuid: uuid1 });
  const told = noticesOf((await consoleOf('vm1')).openSession({ mode: 'ro', label: 'me' }));
  vm.update({ grown: true });
  await vi.waitFor(() => expect(told).toHaveLength(1));
  vm.update({ hooked: false });
  vm.update({ state: 'silent' });
  await vi.waitFor(() => expect(hub.vm('vm1')?.state).toBe('silent'));
  expect(told).toHaveLength(1);
});

test('those at a console are told that L2 watches the VM, and who comes later, too', async () => {
  const vm = l1.addVm({ slot: 0, uuid: uuid1 });
  const console = await consoleOf('vm1');
  const changes: unknown[] = [];
  hub.on('vm-watched', ({ name }, { kind, until }) =>
    changes.push([name, kind, until !== undefined]),
  );
  const first = console.openSession({ mode: 'ro', label: 'me' });
  const told = noticesOf(first);
  expect(first.warnings).toEqual([]);
  vm.update({ evidence: ['stepped'] });
  await vi.waitFor(() => expect(told).toHaveLength(1));
  expect(told[0]).toContain('single steps');
  expect(console.openSession({ mode: 'ro', label: 'later' }).warnings).toEqual(told);
  vm.update({ evidence: [] });
  await vi.waitFor(() => expect(told).toHaveLength(2));
  expect(changes).toEqual([
    ['vm1', 'stepped', false],
    ['vm1', 'stepped', true],
  ]);
});

test('VMs come and go by the hundred: the latest histories stay', async () => {
  for (let count = 1; count <= 100; count++) {
    const uuid = `${String(count).padStart(8, '0')}-0000-4000-8000-000000000000`;
    const gone = once(hub, 'vm-gone');
    const vm = l1.addVm({ slot: count % 4, generation: count, uuid });
    vm.update({ state: 'gone' });
    expect(await gone).toMatchObject([{ name: `vm-${uuid.slice(0, 8)}` }]);
  }
  expect(hub.list()).toHaveLength(16);
  expect(hub.vm('vm-00000100')).toBeDefined();
});
