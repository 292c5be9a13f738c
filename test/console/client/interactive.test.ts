/** What a user sees and does at a console: `interact` on a terminal. */
import { afterEach, beforeEach, expect, test } from 'vitest';

import { VsbError } from '../../../src/base/errors.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { interactive } from '../../rig/fake-terminal.js';
import { connectLink, uuid1 } from '../../rig/hub-rig.js';

let rig: ConsoleRig;

beforeEach(async () => {
  rig = await ConsoleRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('interact shows the history, types, sends a BREAK, explains itself and detaches', async () => {
  rig.vm.print('login: ');
  await eventually(() => expect(rig.hub.vm('vm1')?.history.end).toBe(7));
  const { stdin, stdout, stderr, done } = interactive(rig);
  await eventually(() => expect(stdout.text).toBe('login: '));
  expect(stderr.text).toContain('secure console of vm1, ~? help, ~. detach');
  expect(stdin.modes).toEqual([true]);
  stdin.write('root\r~');
  stdin.write('B');
  await rig.vm.requested('break');
  stdin.write('~?~~\r\x03');
  expect(String(await rig.vm.inputReached(8))).toBe('root\r~\r\x03');
  expect(stderr.text).toContain('~.   detach');
  stdin.write('\r~.');
  expect(await done).toBe(0);
  expect(stdin.modes).toEqual([true, false]);
  expect(stderr.text).toContain('left the console of vm1');
  await eventually(() => expect(rig.gateway.sessions()).toEqual([]));
});

test('interact detaches soon even when the VM reads nothing', async () => {
  rig.vm.setWindow(0);
  const { stdin, stdout, done } = interactive(rig);
  rig.vm.print('x');
  await eventually(() => expect(stdout.text).toBe('x'));
  stdin.write(Buffer.alloc(200_000, 'p'));
  await eventually(() => expect(rig.hub.vm('vm1')?.info().bytesIn).toBeGreaterThan(60_000));
  stdin.write('\r~.');
  expect(await done).toBe(0);
  expect(stdin.modes).toEqual([true, false]);
});

test('interact gives the terminal back when the VM goes, the gateway goes, or it is told to stop', async () => {
  const first = interactive(rig);
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  rig.vm.update({ state: 'gone' });
  await expect(first.done).rejects.toMatchObject({
    code: 'E_CONSOLE_CLOSED',
    message: expect.stringContaining("VM 'vm1' is gone") as string,
  });
  expect(first.stdin.modes).toEqual([true, false]);

  rig.l1.addVm({ uuid: uuid1, generation: 2 });
  const controller = new AbortController();
  const second = interactive(rig, { signal: controller.signal });
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  controller.abort(new VsbError('E_TERMINATED', 'terminated'));
  await expect(second.done).rejects.toMatchObject({ code: 'E_TERMINATED', exitCode: 143 });
  expect(second.stdin.modes).toEqual([true, false]);

  const third = interactive(rig);
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  await rig.gateway.close();
  await expect(third.done).rejects.toMatchObject({ code: 'E_CONSOLE_CLOSED', exitCode: 4 });
  expect(third.stdin.modes).toEqual([true, false]);
});

test('interact answers ~w, ~s, ~r, types the size on ~z, and takes typing over on ~t', async () => {
  await rig.print('on the screen');
  const other = await rig.shell(await rig.login());
  const { stdin, stdout, stderr, done } = interactive(rig);
  await eventually(() => expect(stdout.text).toBe('on the screen'));
  stdin.write('~w');
  await eventually(() => expect(stderr.text).toMatch(/types {4}alice.*\nwaits {4}alice/s));
  stdin.write('~s');
  await eventually(() => expect(stderr.text).toContain('path: secure: shadow UART'));
  stdin.write('~r');
  await eventually(() => expect(stdout.text).toMatch(/on the screen.*\n.*on the screen/s));
  stdin.write('no');
  await eventually(() => expect(stderr.text).toContain('not typed: alice'));
  stdin.write('\r~t');
  await eventually(() => expect(stderr.text).toContain('you type here now'));
  Object.assign(stdout, { isTTY: true, columns: 132, rows: 43 });
  stdin.write('~z');
  expect(String(await rig.vm.inputReached(22))).toBe('stty rows 43 cols 132\r');
  stdin.write('~.');
  expect(await done).toBe(0);
  other.end();
});

test('a session goes on when its VM reboots, and when the link to it was cut', async () => {
  const { stdin, stdout, stderr, done } = interactive(rig);
  await rig.print('first ');
  await eventually(() => expect(stdout.text).toBe('first '));
  rig.l1.cut();
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('lost'));
  rig.hub.attachLink(await connectLink(rig.l1, rig.link));
  await eventually(() => expect(stderr.text).toContain('the link to the VM is back'));
  rig.l1.reboot(9n);
  rig.l1.addVm({ uuid: uuid1, generation: 2 }).print('second');
  await eventually(() => expect(stdout.text).toBe('first second'));
  expect(stderr.text).toContain('the VM is back');
  stdin.write('x\r~.');
  expect(await done).toBe(0);
});
