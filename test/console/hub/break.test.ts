/** A BREAK keeps its place among what is typed. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { HubRig, uuid1 } from '../../rig/hub-rig.js';

let rig: HubRig;

beforeEach(async () => {
  rig = await HubRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('a BREAK stays in its place among what is typed, whoever is slow', async () => {
  const vm = rig.l1.addVm({ uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
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
  const vm = rig.l1.addVm({ uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
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
  const vm = rig.l1.addVm({ uuid: uuid1 });
  const session = (await rig.consoleOf('vm1')).openSession({ mode: 'rw', label: 'me' });
  vm.setWindow(0);
  session.write(Buffer.from('abc'));
  const [first, second] = [session.sendBreak(), session.sendBreak()];
  vm.update({ state: 'gone' });
  await expect(first).rejects.toMatchObject({ code: 'E_VM_GONE' });
  await expect(second).rejects.toMatchObject({ code: 'E_VM_GONE' });
});
