import { existsSync } from 'node:fs';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import type { DaemonEvent } from '../../src/contract/events.js';
import { bringUp, type BringUp } from '../../src/daemon/bring-up.js';
import { bindingOf } from '../../src/machine/saved/binding.js';
import type { Access } from '../../src/machine/saved/folder.js';
import { sharedFolder, sharedKey, writeShared } from '../../src/machine/saved/shared.js';
import { warmName } from '../../src/machine/saved/store.js';
import type { Running, UpRequest } from '../../src/machine/running.js';
import { FakeStack } from '../rig/fake-stack.js';
import { stateOf } from '../rig/saved-state.js';

let stack: FakeStack;
let events: DaemonEvent[];
/** Machines that were started: with the keys of a saved state or without. */
let starts: (Access | undefined)[];
let startedOver: number;
beforeEach(async () => {
  stack = await FakeStack.start();
  events = [];
  starts = [];
  startedOver = 0;
});
afterEach(async () => {
  await stack.stop();
});

/** As a call of the kernel fails. */
function systemError(code: string): Error {
  return Object.assign(new Error(code), { code, syscall: 'write' });
}

/** `up`, in a stack whose layers come up at once, or go on at once from a saved state. */
async function up(request: UpRequest): Promise<Running> {
  let running: Running | undefined;
  let resumes = false;
  const options: BringUp = {
    ...{ paths: stack.paths, request, signal: AbortSignal.timeout(20_000), log: () => undefined },
    emit: (event) => events.push(event),
    onPhase: () => undefined,
    start: async (resumed) => {
      starts.push(resumed);
      running = await stack.launch(request);
      resumes = resumed !== undefined && stack.refuses === undefined;
      if (resumes) stack.addVm(running);
      return running;
    },
    startOver: async () => {
      startedOver++;
      if (running !== undefined) await stack.end(running);
    },
  };
  const comesUp = setInterval(() => {
    if (resumes) return;
    stack.say('l1', '(XEN) Xen version 4.17.5\r\nvsbypass-l1: ready\r\n');
    stack.say('l2', 'vsbypass-l2: ready\r\n');
    const vms = running?.hub.list().length ?? 0;
    if (running !== undefined && vms === 0) stack.addVm(running);
    if (vms > 0) stack.guest.push('vm1 login: ');
  }, 20);
  try {
    return await bringUp(options);
  } finally {
    clearInterval(comesUp);
  }
}

/** What was gone through, in order. */
const passed = (): string[] =>
  events.flatMap((event) =>
    event.type === 'phase' && event.reason === 'passed' ? [event.phase] : [],
  );
const toldOfState = (): string[] =>
  events.flatMap((event) => (event.type === 'warm' ? [`${event.reason}: ${event.why}`] : []));

const cold = ['qemu', 'l1-xen', 'link', 'l1-dom0', 'l2', 'vm:vm1', 'login:vm1'];

async function saved(request: UpRequest): Promise<string> {
  const binding = await bindingOf(request);
  const key = sharedKey(binding);
  const { cacheDir } = stack.paths;
  await writeShared(cacheDir, key, stateOf(warmName, binding, undefined));
  return sharedFolder(cacheDir, key).directory;
}

test('a boot without a saved state goes through all phases, and says nothing of one', async () => {
  await up(stack.request({ resume: warmName }));
  expect(passed()).toEqual(cold);
  expect(starts).toEqual([undefined]);
  expect(toldOfState()).toEqual([]);
});

test('after a cold boot its state is kept, with any patience', async () => {
  const running = await up(stack.request({ keep: true }, '{"patience": 2.03}'));
  expect(toldOfState()).toEqual([expect.stringMatching(/^kept: /)]);
  expect(stack.told.slice(-2)).toEqual(['stop', 'continue']);
  expect(running.gateway).toBeDefined();
});

test.each([
  ['a full disk', systemError('ENOSPC'), 'the state cannot be saved: ENOSPC'],
  ['a broken one', systemError('EIO'), 'the state cannot be saved: EIO'],
  ['a bug', new TypeError('undefined is no function'), 'undefined is no function'],
])('that it cannot be kept is no reason to fail: %s', async (_, error, why) => {
  stack.saving = () => Promise.reject(error);
  const running = await up(stack.request({ keep: true }));
  expect(toldOfState()).toEqual([`not-kept: ${why}`]);
  expect(stack.told.at(-1)).toBe('continue');
  expect(running.gateway).toBeDefined();
});

test('a machine that ends while its state is kept has not come up', async () => {
  const reason = new VsbError('E_QEMU_EXITED', 'QEMU was ended by SIGKILL');
  stack.saving = () => {
    stack.fail(reason);
    return Promise.reject(new VsbError('E_QMP_CLOSED', 'QMP: closed'));
  };
  await expect(up(stack.request({ keep: true }))).rejects.toBe(reason);
});

test('a boot from a saved state goes on where that was saved', async () => {
  const request = stack.request({ resume: warmName });
  await saved(request);
  stack.beRenewable();
  const running = await up(request);
  expect(passed()).toEqual(['qemu', 'restore', 'link', 'renew']);
  expect(starts).toMatchObject([{ passwords: {} }]);
  expect(running.gateway).toBeDefined();
});

test('a state that the machine does not take is dropped, and all layers are booted', async () => {
  const request = stack.request({ resume: warmName });
  const folder = await saved(request);
  stack.refuses = new VsbError('E_QMP', 'load of migration failed');
  await up(request);
  expect(passed()).toEqual(['qemu', ...cold]);
  expect(starts).toMatchObject([{ passwords: {} }, undefined]);
  expect(startedOver).toBe(1);
  expect(toldOfState()).toEqual([expect.stringMatching(/^dropped: .*load of migration failed/)]);
  expect(existsSync(folder)).toBe(false);
});

test.each([
  ['nothing but that state will do', { must: true }, new VsbError('E_QMP', 'no')],
  ['it is the host that fails', {}, new VsbError('E_HOST', 'no space left')],
])('where %s the state stays, and the boot fails', async (_, warm, refusal) => {
  const request = stack.request({ resume: warmName, ...warm });
  const folder = await saved(request);
  stack.refuses = refusal;
  await expect(up(request)).rejects.toThrow(refusal.message);
  expect(starts).toHaveLength(1);
  expect(existsSync(folder)).toBe(true);
});

test('a state that must be there and is not is said before a machine starts', async () => {
  await expect(up(stack.request({ resume: 'nosuch', must: true }))).rejects.toMatchObject({
    code: 'E_FILE',
    message: expect.stringContaining("snapshot 'nosuch' cannot be restored") as unknown,
  });
  expect(starts).toEqual([]);
});
