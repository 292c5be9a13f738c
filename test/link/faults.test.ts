/** A line that damages and loses messages: what was lost is asked for again. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { encodeFrame } from '../../src/link/frame.js';
import { Collector, LinkRig, seen } from '../rig/link-rig.js';
import { pattern } from '../rig/pattern.js';

let rig: LinkRig;

beforeEach(async () => {
  rig = await LinkRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('both directions survive a line that damages and loses messages', async () => {
  const link = await rig.connect();
  const collector = new Collector(link);
  const vm = rig.l1.addVm();
  await seen(link, (record) => record.slot === 0);
  let count = 0;
  rig.l1.spoilOut = (bytes) => {
    count++;
    if (count % 17 === 0) return Buffer.alloc(0);
    if (count % 23 === 0) bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x10;
    return bytes;
  };
  let chunks = 0;
  rig.l1.spoilIn = (bytes) => (++chunks % 5 === 0 ? bytes.subarray(1) : bytes);
  const bytes = pattern(20_000);
  vm.print(bytes);
  link.write(0, 1, bytes.subarray(0, 5000));
  expect((await collector.reached(bytes.length)).equals(bytes)).toBe(true);
  expect((await vm.inputReached(5000)).equals(bytes.subarray(0, 5000))).toBe(true);
  expect(link.stats().gaps).toBeGreaterThan(0);
  expect(link.stats().badCrc + link.stats().badEscape).toBeGreaterThan(0);
});

test('garbage on the line is counted and skipped', async () => {
  const vm = rig.l1.addVm();
  const link = await rig.connect();
  const collector = new Collector(link);
  await seen(link, (record) => record.slot === 0);
  rig.l1.sendRaw(Buffer.alloc(3000, 0x55));
  rig.l1.sendRaw(Buffer.from([0xc0, 0xdb, 0x01, 0xc0, 0x01, 0x02, 0xc0]));
  rig.l1.sendRaw(encodeFrame({ type: 0x7f, slot: 0, generation: 1, body: Buffer.from('future') }));
  vm.print('still here');
  expect(String(await collector.reached(10))).toBe('still here');
  expect(link.stats()).toMatchObject({ oversize: 1, badEscape: 1, badCrc: 1, unknown: 1 });
});

test('a VM whose message was lost is asked for when its output comes', async () => {
  const link = await rig.connect();
  const collector = new Collector(link);
  rig.l1.spoilOut = () => Buffer.alloc(0);
  const vm = rig.l1.addVm();
  rig.l1.spoilOut = (bytes) => bytes;
  vm.print('who am I');
  expect(String(await collector.reached(8))).toBe('who am I');
  expect(link.stats().stale).toBeGreaterThan(0);
});

test('a lost window is asked for again, without a byte twice', async () => {
  const vm = rig.l1.addVm();
  vm.window = 0;
  const link = await rig.connect();
  new Collector(link);
  await seen(link, (record) => record.slot === 0);
  link.write(0, 1, Buffer.from('typed'));
  rig.l1.spoilOut = () => Buffer.alloc(0);
  vm.setWindow(100);
  rig.l1.spoilOut = (bytes) => bytes;
  expect(String(await vm.inputReached(5))).toBe('typed');
});
