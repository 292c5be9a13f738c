import { once } from 'node:events';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { encodeFrame } from '../../src/link/frame.js';
import { Link, type LinkOptions, type VmRecord } from '../../src/link/index.js';
import { FakeL1 } from '../rig/fake-l1.js';
import type { FakeVm } from '../rig/fake-vm.js';

let l1: FakeL1;
const links: Link[] = [];

beforeEach(async () => {
  l1 = await FakeL1.start();
});

afterEach(async () => {
  for (const link of links.splice(0)) link.close();
  await l1.stop();
});

async function connect(options: Partial<LinkOptions> = {}): Promise<Link> {
  const signal = new AbortController().signal;
  const link = await Link.connect(l1.socketPath, { signal, timeoutMs: 5000, ...options });
  links.push(link);
  return link;
}

/** Collects what one VM prints. */
class Collector {
  bytes = Buffer.alloc(0);
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
    link.on('data', (_slot, _generation, bytes) => {
      this.bytes = Buffer.concat([this.bytes, bytes]);
    });
  }

  async reached(length: number): Promise<Buffer> {
    while (this.bytes.length < length) await once(this.#link, 'data');
    return this.bytes;
  }
}

/** Resolves when the record of a VM has become what is wanted. */
async function seen(link: Link, wanted: (vm: VmRecord) => boolean): Promise<void> {
  while (!link.vms().some(wanted)) await once(link, 'vm');
}

/** Bytes that tell their position. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  return bytes;
}

test('connect waits for a hypervisor that boots later, repeating HELLO', async () => {
  l1.awake = false;
  const connecting = connect();
  await vi.waitFor(() => expect(l1.sockets).toBe(1));
  l1.awake = true;
  const link = await connecting;
  expect(link.hello).toMatchObject({ xenVersion: '4.17-test', slots: 16, bootId: 1n });
});

test('connect fails with a code for each cause', async () => {
  const signal = new AbortController().signal;
  await expect(
    Link.connect(`${l1.socketPath}.not`, { signal, timeoutMs: 100 }),
  ).rejects.toMatchObject({
    code: 'E_LINK_CONNECT',
  });
  l1.awake = false;
  await expect(connect({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'E_LINK_TIMEOUT' });
  l1.awake = true;
  l1.hello = { ...l1.hello, version: 2 };
  await expect(connect()).rejects.toMatchObject({ code: 'E_LINK_VERSION' });
  const reason = new VsbError('E_INTERRUPTED', 'stop');
  await expect(connect({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  l1.awake = false;
  const controller = new AbortController();
  const connecting = connect({ signal: controller.signal });
  controller.abort(reason);
  await expect(connecting).rejects.toBe(reason);
});

test('a listener that attaches right after connect misses neither VM nor byte', async () => {
  const vm = l1.addVm({ domid: 5 });
  vm.print('before anyone came');
  const link = await connect();
  expect(link.vms()).toEqual([]);
  const collector = new Collector(link);
  expect(String(await collector.reached(18))).toBe('before anyone came');
  expect(link.vms()).toMatchObject([{ slot: 0, generation: 1, domid: 5, state: 'running' }]);
});

test('100 kB of output arrive intact and are acknowledged', async () => {
  const vm = l1.addVm();
  const collector = new Collector(await connect());
  const bytes = pattern(100_000);
  vm.print(bytes);
  expect((await collector.reached(bytes.length)).equals(bytes)).toBe(true);
  await vi.waitFor(() => expect(vm.sender.buffered).toBe(0));
});

test('100 kB of input arrive intact through a small window, with drain', async () => {
  const vm = l1.addVm();
  vm.window = 300;
  const link = await connect();
  new Collector(link);
  await seen(link, (record) => record.slot === 0);
  const bytes = pattern(100_000);
  for (let at = 0; at < bytes.length; at += 10_000) {
    if (!link.write(0, 1, bytes.subarray(at, at + 10_000))) await once(link, 'drain');
  }
  expect((await vm.inputReached(bytes.length)).equals(bytes)).toBe(true);
});

test('both directions survive a line that damages and loses messages', async () => {
  const link = await connect();
  const collector = new Collector(link);
  const vm = l1.addVm();
  await seen(link, (record) => record.slot === 0);
  let count = 0;
  l1.spoilOut = (bytes) => {
    count++;
    if (count % 17 === 0) return Buffer.alloc(0);
    if (count % 23 === 0) bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x10;
    return bytes;
  };
  let chunks = 0;
  l1.spoilIn = (bytes) => (++chunks % 5 === 0 ? bytes.subarray(1) : bytes);
  const bytes = pattern(20_000);
  vm.print(bytes);
  link.write(0, 1, bytes.subarray(0, 5000));
  expect((await collector.reached(bytes.length)).equals(bytes)).toBe(true);
  expect((await vm.inputReached(5000)).equals(bytes.subarray(0, 5000))).toBe(true);
  expect(link.stats().gaps).toBeGreaterThan(0);
  expect(link.stats().badCrc + link.stats().badEscape).toBeGreaterThan(0);
});

test('garbage on the line is counted and skipped', async () => {
  const vm = l1.addVm();
  const link = await connect();
  const collector = new Collector(link);
  await seen(link, (record) => record.slot === 0);
  l1.sendRaw(Buffer.alloc(3000, 0x55));
  l1.sendRaw(Buffer.from([0xc0, 0xdb, 0x01, 0xc0, 0x01, 0x02, 0xc0]));
  l1.sendRaw(encodeFrame({ type: 0x7f, slot: 0, generation: 1, body: Buffer.from('future') }));
  vm.print('still here');
  expect(String(await collector.reached(10))).toBe('still here');
  expect(link.stats()).toMatchObject({ oversize: 1, badEscape: 1, badCrc: 1, unknown: 1 });
});

test('a VM whose message was lost is asked for when its output comes', async () => {
  const link = await connect();
  const collector = new Collector(link);
  l1.spoilOut = () => Buffer.alloc(0);
  const vm = l1.addVm();
  l1.spoilOut = (bytes) => bytes;
  vm.print('who am I');
  expect(String(await collector.reached(8))).toBe('who am I');
  expect(link.stats().stale).toBeGreaterThan(0);
});

test('a lost window is asked for again, without a byte twice', async () => {
  const vm = l1.addVm();
  vm.window = 0;
  const link = await connect();
  new Collector(link);
  await seen(link, (record) => record.slot === 0);
  link.write(0, 1, Buffer.from('typed'));
  l1.spoilOut = () => Buffer.alloc(0);
  vm.setWindow(100);
  l1.spoilOut = (bytes) => bytes;
  expect(String(await vm.inputReached(5))).toBe('typed');
});

test('a new generation in a slot ends the VM before it and keeps streams apart', async () => {
  const link = await connect();
  const collector = new Collector(link);
  const events: string[] = [];
  link.on('vm', (vm, previous) =>
    events.push(`${vm.generation} ${previous ?? 'new'}->${vm.state}`),
  );
  const first = l1.addVm();
  first.print('first');
  await collector.reached(5);
  l1.remove(first);
  const second = l1.addVm({ generation: 2 });
  second.print('SECOND');
  expect(String(await collector.reached(11))).toBe('firstSECOND');
  l1.send({ type: 'output', slot: 0, generation: 1, offset: 5, bytes: Buffer.from('late') });
  second.update({ state: 'silent' });
  await seen(link, (vm) => vm.state === 'silent');
  second.update({ state: 'gone' });
  while (link.vms().length > 0) await once(link, 'vm');
  expect(events).toEqual([
    '1 new->running',
    '1 running->gone',
    '2 new->running',
    '2 running->silent',
    '2 silent->gone',
  ]);
  expect(String(collector.bytes)).toBe('firstSECOND');
  expect(() => link.write(0, 1, Buffer.from('x'))).toThrow(
    expect.objectContaining({ code: 'E_VM_GONE' }),
  );
});

test('the last words of a VM arrive before it is gone, and free its slot', async () => {
  const link = await connect();
  const collector = new Collector(link);
  const vm = l1.addVm();
  vm.print('hello ');
  await collector.reached(6);
  // The panic message is lost on the line, the news that the VM is gone is not.
  l1.spoilOut = () => Buffer.alloc(0);
  vm.print('panic!');
  l1.spoilOut = (bytes) => bytes;
  const gone = once(link, 'vm');
  vm.update({ state: 'gone' });
  expect(await gone).toMatchObject([{ state: 'gone' }, 'running']);
  expect(String(collector.bytes)).toBe('hello panic!');
  await vi.waitFor(() => expect(l1.slotsInUse).toBe(0));
});

test('the last words of a VM that went while nobody was there are still delivered', async () => {
  const vm = l1.addVm();
  vm.print('panic!');
  vm.update({ state: 'gone' });
  const link = await connect();
  const states: string[] = [];
  link.on('vm', (record) => states.push(record.state));
  const collector = new Collector(link);
  expect(String(await collector.reached(6))).toBe('panic!');
  await vi.waitFor(() => expect(l1.slotsInUse).toBe(0));
  expect(states).toEqual(['silent', 'gone']);
  expect(link.vms()).toEqual([]);
});

test('what L1 wants of the line of a VM that is there is passed on', async () => {
  l1.addVm({ slot: 2 });
  const link = await connect();
  new Collector(link);
  await seen(link, (record) => record.slot === 2);
  const lines: [number, boolean][] = [];
  link.on('line', (vm, high) => lines.push([vm.slot, high]));
  l1.send({ type: 'line', slot: 2, generation: 1, high: true });
  l1.send({ type: 'line', slot: 2, generation: 9, high: true });
  l1.send({ type: 'line', slot: 2, generation: 1, high: false });
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
  const vm = l1.addVm();
  const link = await connect();
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
  l1.answersRequests = false;
  const pending = link.globalCounters();
  const closed = once(link, 'close');
  link.close();
  await expect(pending).rejects.toMatchObject({ code: 'E_LINK_CLOSED' });
  await closed;
  await expect(link.globalCounters()).rejects.toMatchObject({ code: 'E_LINK_CLOSED' });
});

test('a request without an answer fails at its deadline', async () => {
  const link = await connect();
  new Collector(link);
  l1.answersRequests = false;
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

test('a reboot of L1 resets everything and rejects what is pending', async () => {
  l1.addVm();
  const link = await connect();
  const collector = new Collector(link);
  await seen(link, (record) => record.slot === 0);
  l1.answersRequests = false;
  const pending = expect(link.globalCounters()).rejects.toMatchObject({ code: 'E_LINK_CLOSED' });
  const resync = once(link, 'resync');
  l1.reboot(2n);
  expect(await resync).toMatchObject([{ bootId: 2n }]);
  await pending;
  expect(link.vms()).toEqual([]);
  l1.addVm().print('new life');
  expect(String(await collector.reached(8))).toBe('new life');
});

test('a paused link holds output back without losing it', async () => {
  const vm = l1.addVm();
  const link = await connect();
  const collector = new Collector(link);
  vm.print('a');
  await collector.reached(1);
  link.pause();
  const bytes = pattern(50_000);
  vm.print(bytes);
  expect(collector.bytes.length).toBe(1);
  link.resume();
  expect((await collector.reached(50_001)).subarray(1).equals(bytes)).toBe(true);
});

test('a link that resumes a cut one neither repeats nor loses a byte', async () => {
  const vm = l1.addVm();
  const first = await connect();
  const collector = new Collector(first);
  vm.print('one ');
  await collector.reached(4);
  await vi.waitFor(() => expect(vm.sender.buffered).toBe(0));
  // From here on nothing reaches L1 any more: neither our acknowledgement nor the input.
  l1.spoilIn = () => Buffer.alloc(0);
  vm.print('two ');
  await collector.reached(8);
  first.write(0, 1, Buffer.from('typed'));
  const closed = new Promise<void>((resolve) => first.on('close', resolve));
  l1.cut();
  await closed;
  l1.spoilIn = (bytes) => bytes;
  vm.print('three');
  const second = await connect({ resume: first });
  const rest = new Collector(second);
  expect(String(await rest.reached(5))).toBe('three');
  expect(String(await vm.inputReached(5))).toBe('typed');
  expect(second.stats()).toMatchObject({ lostBytes: 0 });
});

test('input that is written against the advice of write() is refused at a limit', async () => {
  const vm: FakeVm = l1.addVm();
  vm.window = 0;
  const link = await connect();
  new Collector(link);
  await seen(link, (record) => record.slot === 0);
  expect(link.write(0, 1, Buffer.alloc(1000))).toBe(true);
  expect(link.write(0, 1, Buffer.alloc(20_000))).toBe(false);
  expect(() => link.write(0, 1, Buffer.alloc(300_000))).toThrow(RangeError);
});
