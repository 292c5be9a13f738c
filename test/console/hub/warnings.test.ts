/** What those at a console are told of what L2 does to its VM. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { eventually } from '../../rig/eventually.js';
import { HubRig, noticesOf, uuid1 } from '../../rig/hub-rig.js';

let rig: HubRig;

beforeEach(async () => {
  rig = await HubRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('those at a console are told of a vCPU that was added late', async () => {
  const vm = rig.l1.addVm({ slot: 0, uuid: uuid1 });
  const told = noticesOf((await rig.consoleOf('vm1')).openSession({ mode: 'ro', label: 'me' }));
  vm.update({ grown: true });
  await eventually(() => expect(told).toHaveLength(1));
  vm.update({ hooked: false });
  vm.update({ state: 'silent' });
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('silent'));
  expect(told).toHaveLength(1);
});

test('those at a console are told that L2 watches the VM, and who comes later, too', async () => {
  const vm = rig.l1.addVm({ slot: 0, uuid: uuid1 });
  const console = await rig.consoleOf('vm1');
  const changes: unknown[] = [];
  rig.hub.on('vm-watched', ({ name }, { kind, until }) =>
    changes.push([name, kind, until !== undefined]),
  );
  const first = console.openSession({ mode: 'ro', label: 'me' });
  const told = noticesOf(first);
  expect(first.warnings).toEqual([]);
  vm.update({ evidence: ['stepped'] });
  await eventually(() => expect(told).toHaveLength(1));
  expect(told[0]).toContain('single steps');
  expect(console.openSession({ mode: 'ro', label: 'later' }).warnings).toEqual(told);
  vm.update({ evidence: [] });
  await eventually(() => expect(told).toHaveLength(2));
  expect(changes).toEqual([
    ['vm1', 'stepped', false],
    ['vm1', 'stepped', true],
  ]);
});
