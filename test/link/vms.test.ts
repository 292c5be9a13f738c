/** VMs that come and go in the slots of a link, to their last words. */
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

test('a new generation in a slot ends the VM before it and keeps streams apart', async () => {
  const link = await rig.connect();
  const collector = new Collector(link);
  const events: string[] = [];
  link.on('vm', (vm, previous) =>
    events.push(`${vm.generation} ${previous ?? 'new'}->${vm.state}`),
  );
  const first = rig.l1.addVm();
  first.print('first');
  await collector.reached(5);
  rig.l1.remove(first);
  const second = rig.l1.addVm({ generation: 2 });
  second.print('SECOND');
  expect(String(await collector.reached(11))).toBe('firstSECOND');
  rig.l1.send({ type: 'output', slot: 0, generation: 1, offset: 5, bytes: Buffer.from('late') });
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
  const link = await rig.connect();
  const collector = new Collector(link);
  const vm = rig.l1.addVm();
  vm.print('hello ');
  await collector.reached(6);
  // The panic message is lost on the line, the news that the VM is gone is not.
  rig.l1.spoilOut = () => Buffer.alloc(0);
  vm.print('panic!');
  rig.l1.spoilOut = (bytes) => bytes;
  const gone = once(link, 'vm');
  vm.update({ state: 'gone' });
  expect(await gone).toMatchObject([{ state: 'gone' }, 'running']);
  expect(String(collector.bytes)).toBe('hello panic!');
  await vi.waitFor(() => expect(rig.l1.slotsInUse).toBe(0));
});

test('the last words of a VM that went while nobody was there are still delivered', async () => {
  const vm = rig.l1.addVm();
  vm.print('panic!');
  vm.update({ state: 'gone' });
  const link = await rig.connect();
  const states: string[] = [];
  link.on('vm', (record) => states.push(record.state));
  const collector = new Collector(link);
  expect(String(await collector.reached(6))).toBe('panic!');
  await vi.waitFor(() => expect(rig.l1.slotsInUse).toBe(0));
  expect(states).toEqual(['silent', 'gone']);
  expect(link.vms()).toEqual([]);
});
