/** Clearing an instance away while another command is at work on it. */
import type { ChildProcess } from 'node:child_process';
import { access, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { exists } from '../../src/base/files.js';
import { isAlive, type ProcessIdentity } from '../../src/base/process-identity.js';
import { withInstanceLock } from '../../src/instance/lock.js';
import { clearBroken, stopInstance } from '../../src/instance/stop.js';
import type { InstancePaths } from '../../src/state/paths.js';
import { writeProcesses } from '../../src/state/record.js';
import { startLivingProcess } from '../rig/living-process.js';
import { temporaryInstance } from '../rig/temporary-instance.js';

let directory: string;
let paths: InstancePaths;
const children: ChildProcess[] = [];

beforeEach(async () => {
  ({ directory, paths } = await temporaryInstance());
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** A process that looks like this instance's QEMU, or like anything else. */
async function living(...words: string[]): Promise<ProcessIdentity> {
  const { child, identity } = await startLivingProcess(words);
  children.push(child);
  return identity;
}

it('withInstanceLock lets one in at a time, and gives the lock back whatever happens', async () => {
  const order: string[] = [];
  const first = withInstanceLock(paths, async () => {
    order.push('first in');
    await writeFile(join(directory, 'mark'), '');
    order.push('first out');
    throw new Error('its own');
  });
  const outcomes = await Promise.allSettled([
    first,
    withInstanceLock(paths, () => Promise.resolve(order.push('second'))),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  expect(order.indexOf('first out')).toBe(order.indexOf('first in') + 1);
  expect(order).toContain('second');
});

it('withInstanceLock says what is wrong with a lock that cannot be had', async () => {
  await rm(paths.stateDir, { recursive: true });
  await expect(withInstanceLock(paths, () => Promise.resolve())).rejects.toMatchObject({
    code: 'E_DAEMON',
    message: expect.stringContaining("cannot lock instance 'default'") as string,
  });
});

it('stopInstance spares what belongs to who holds the lock', async () => {
  const qemu = await living(`unix:${paths.qmpSocket}`);
  await writeProcesses(paths, { qemu });
  await withInstanceLock(paths, async () => {
    await expect(stopInstance(paths)).rejects.toMatchObject({ code: 'E_BUSY' });
    expect(await isAlive(qemu)).toBe(true);
    await access(paths.runtimeDir);
  });
  expect(await stopInstance(paths)).toBe(true);
  expect(await isAlive(qemu)).toBe(false);
  expect(await exists(paths.runtimeDir)).toBe(false);
});

it('clearBroken ends the daemon that was found, and no other', async () => {
  const daemon = await living('a daemon that another command has started since');
  await writeProcesses(paths, { daemon });
  await expect(clearBroken(paths, undefined)).rejects.toMatchObject({ code: 'E_BUSY' });
  await expect(clearBroken(paths, daemon.pid + 1)).rejects.toMatchObject({ code: 'E_BUSY' });
  expect(await isAlive(daemon)).toBe(true);
  expect(await clearBroken(paths, daemon.pid)).toBe(true);
  expect(await isAlive(daemon)).toBe(false);
});
