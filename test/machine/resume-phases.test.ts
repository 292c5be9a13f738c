import { readFile, rm } from 'node:fs/promises';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { resumePhases } from '../../src/machine/resume-phases.js';
import { readState, type SavedState } from '../../src/machine/saved/folder.js';
import type { Runs } from '../../src/machine/saved/runs.js';
import { sharedFolder } from '../../src/machine/saved/shared.js';
import type { Running } from '../../src/machine/running.js';
import { readPasswords } from '../../src/state/secrets.js';
import { FakeStack } from '../rig/fake-stack.js';
import { writeSharedState } from '../rig/saved-state.js';

let stack: FakeStack;
let running: Running;
let state: SavedState;
beforeEach(async () => {
  stack = await FakeStack.start();
  stack.beRenewable();
  running = await stack.launch();
  const { cacheDir } = stack.paths;
  const saved = await readState(sharedFolder(cacheDir, await writeSharedState(cacheDir, 'a test')));
  if (saved === undefined) throw new Error('it was just written');
  state = saved;
  stack.addVm(running);
});
afterEach(async () => {
  await stack.stop();
});

async function resume(): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  for (const phase of resumePhases(running, state)) await phase.run(signal);
}

test('whoever resumes has keys and passwords of his own in all layers, and the testbed is as after a boot', async () => {
  const old = running.secrets;
  const oldPassword = old.passwords.get('vm1') ?? '';
  await resume();
  expect(stack.told).toEqual(['open', 'restore', 'run']);

  const { secrets } = running;
  expect(secrets.management.publicLine).not.toBe(old.management.publicLine);
  expect(secrets.l1Host).not.toEqual(old.l1Host);
  expect(secrets.l2Host).not.toEqual(old.l2Host);
  const password = secrets.passwords.get('vm1') ?? '';
  expect(password).not.toBe(oldPassword);
  // Clients know it by then.
  expect(secrets.consoleHost).toEqual(old.consoleHost);
  expect(await readPasswords(stack.paths)).toEqual(new Map([['vm1', password]]));
  expect(await readFile(stack.paths.managementKey, 'utf8')).toBe(secrets.management.privatePem);

  for (const layer of ['l1', 'l2'] as const) {
    const [call, ...others] = stack.calls[layer];
    expect(others).toEqual([]);
    expect(call?.stdin).toContain(secrets.management.publicLine);
    expect(call?.stdin).toMatch(/^date -s @\d+ /m);
    expect(call?.stdin).not.toContain(password);
  }
  // What a user VM of L2 begins with when it starts again.
  expect(stack.calls.l2[0]?.stdin).toContain("/vm1/overlay.cpio'");

  // The user VM: logged in with the old password, and told the hash of the new one.
  const typed = stack.guest.lines.join('\n');
  expect(typed).toContain(`root\n${oldPassword}\n`);
  expect(typed).toMatch(/h='\$6\$/);
  expect(typed).not.toContain(password);

  expect(stack.l1.requests).toMatchObject([
    { type: 'hltPolicy', policy: 'attached' },
    { type: 'irqMode', mode: 'direct' },
    { type: 'hltPolicy', policy: 'adaptive' },
  ]);
  expect(running.interrupts?.active).toBe('direct');
  expect(running.gateway?.port).toBeGreaterThan(0);
  // A prompt for whoever comes first, and nothing of what was typed before.
  await expect
    .poll(() => running.hub.vm('vm1')?.history.snapshot().toString())
    .toBe('\r\nvm1 login: ');
});

test('where L2 is Xen, what has the password of its user VM is another file', async () => {
  running = await stack.launch(stack.request({}, '{"l2": {"kind": "xen"}}'));
  await resume();
  expect(stack.calls.l2[0]?.stdin).toContain("/vm1/boot.cpio'");
  expect(stack.calls.l2[0]?.stdin).not.toContain("/vm1/overlay.cpio'");
});

test('a console that does not answer is told without what was typed', async () => {
  stack.guest.state = 'dead';
  const failed = resume().then(
    () => undefined,
    (error: unknown) => error,
  );
  await expect.poll(() => stack.l1.requests.length).toBeGreaterThan(0);
  setTimeout(() => stack.l1.cut(), 200);
  const error = await failed;
  expect(error).toMatchObject({ code: 'E_EXPECT_TIMEOUT', layer: 'L3' });
  expect(JSON.stringify(error)).not.toContain(running.secrets.passwords.get('vm1'));
});

test('a state that was removed meanwhile is not resumed', async () => {
  await rm(state.folder.directory, { recursive: true });
  await expect(resume()).rejects.toMatchObject({ code: 'E_FILE' });
  expect(stack.told).toEqual(['open', 'restore']);
});

test('what was started, stopped and switched since the boot goes on so, and what runs is renewed', async () => {
  const config = '{"vms": [{"name": "vm1"}, {"name": "vm2", "autostart": false}]}';
  running = await stack.launch(stack.request({}, config));
  stack.addVm(running, 'vm2');
  const oldPassword = running.secrets.passwords.get('vm2') ?? '';
  const runs: Runs = {
    ...{ running: ['vm2'], wanted: ['vm2'], hooks: { vm1: false }, irq: 'doorbell' },
  };
  state = { ...state, snapshot: { ...state.snapshot, runs } };
  await resume();
  expect([...running.wanted]).toEqual(['vm2']);
  expect([...running.hooks]).toEqual([['vm1', false]]);
  expect(running.interrupts?.wanted).toBe('doorbell');
  expect(stack.guest.lines.join('\n')).toContain(`root\n${oldPassword}\n`);
  expect(running.secrets.passwords.get('vm2')).not.toBe(oldPassword);
  // The one that does not run begins with its new password.
  expect(stack.calls.l2[0]?.stdin).toContain("/vm1/overlay.cpio'");
});
