/** All bytes arrive, in both directions, as fast as the other end takes them. */
import { once } from 'node:events';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Collector, LinkRig, seen } from '../rig/link-rig.js';
import { pattern } from '../rig/pattern.js';

let rig: LinkRig;

beforeEach(async () => {
  rig = await LinkRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('100 kB of output arrive intact and are acknowledged', async () => {
  const vm = rig.l1.addVm();
  const collector = new Collector(await rig.connect());
  const bytes = pattern(100_000);
  vm.print(bytes);
  expect((await collector.reached(bytes.length)).equals(bytes)).toBe(true);
  await vi.waitFor(() => expect(vm.sender.buffered).toBe(0));
});

test('100 kB of input arrive intact through a small window, with drain', async () => {
  const vm = rig.l1.addVm();
  vm.window = 300;
  const link = await rig.connect();
  new Collector(link);
  await seen(link, (record) => record.slot === 0);
  const bytes = pattern(100_000);
  for (let at = 0; at < bytes.length; at += 10_000) {
    if (!link.write(0, 1, bytes.subarray(at, at + 10_000))) await once(link, 'drain');
  }
  expect((await vm.inputReached(bytes.length)).equals(bytes)).toBe(true);
});

test('a paused link holds output back without losing it', async () => {
  const vm = rig.l1.addVm();
  const link = await rig.connect();
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

test('input that is written against the advice of write() is refused at a limit', async () => {
  const vm = rig.l1.addVm();
  vm.window = 0;
  const link = await rig.connect();
  new Collector(link);
  await seen(link, (record) => record.slot === 0);
  expect(link.write(0, 1, Buffer.alloc(1000))).toBe(true);
  expect(link.write(0, 1, Buffer.alloc(20_000))).toBe(false);
  expect(() => link.write(0, 1, Buffer.alloc(300_000))).toThrow(RangeError);
});
