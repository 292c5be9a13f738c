import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { ConsoleHub } from '../../src/console/hub/hub.js';
import { describeVms } from '../../src/daemon/describe.js';
import { Link } from '../../src/link/index.js';
import { FakeL1 } from '../rig/fake-l1.js';

const uuid = (digit: number): string => `${String(digit).repeat(8)}-0000-4000-8000-000000000000`;
const named = [
  { name: 'db', uuid: uuid(1) },
  { name: 'off', uuid: uuid(2) },
];

let l1: FakeL1;
let link: Link;
let hub: ConsoleHub;

beforeEach(async () => {
  l1 = await FakeL1.start();
  hub = new ConsoleHub({ nameOf: (vm) => named.find((one) => one.uuid === vm.uuid)?.name });
  link = await Link.connect(l1.socketPath, {
    ...{ signal: new AbortController().signal, timeoutMs: 5000 },
  });
  hub.attachLink(link);
});

afterEach(async () => {
  hub.close();
  link.close();
  await l1.stop();
});

test('VMs with a configured name are there also when they are off, others while L1 knows them', async () => {
  l1.addVm({ slot: 0, uuid: uuid(1) });
  l1.addVm({ slot: 1, uuid: uuid(3) });
  l1.addVm({ slot: 2, uuid: uuid(1), doubtful: true });
  l1.addVm({ slot: 3 });
  await vi.waitFor(() => expect(hub.list()).toHaveLength(4));
  expect(describeVms(named, hub)).toMatchObject([
    { name: 'db', uuid: uuid(1), state: 'running', slot: 0, hooked: true },
    { name: 'off', uuid: uuid(2), state: 'absent' },
    {
      name: 'slot-2-1',
      state: 'running',
      slot: 2,
      hooked: true,
      label: 'doubtful',
      claims: uuid(1),
    },
    { name: 'slot-3-1', state: 'running', slot: 3, hooked: true },
    { name: 'vm-33333333', uuid: uuid(3), state: 'running', slot: 1, hooked: true },
  ]);
});

test('of two with one UUID each says who the other one is', async () => {
  l1.addVm({ slot: 0, uuid: uuid(1) });
  l1.addVm({ slot: 1, uuid: uuid(1) });
  await vi.waitFor(() => expect(hub.list()).toHaveLength(2));
  expect(describeVms(named, hub)).toMatchObject([
    { name: 'db', label: 'shared', sharedWith: ['slot-1-1'] },
    { name: 'off', state: 'absent' },
    { name: 'slot-1-1', label: 'shared', sharedWith: ['slot-0-1'] },
  ]);
});
