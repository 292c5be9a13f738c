/** The compiled program in another environment than the one its instance was brought up in. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { exists } from '../../src/base/files.js';
import { CliInstance } from '../rig/cli-instance.js';
import { ConsoleRig } from '../rig/console-rig.js';

let rig: ConsoleRig;
let instance: CliInstance;
let elsewhere: string;

beforeEach(async () => {
  rig = await ConsoleRig.start();
  instance = await CliInstance.start(rig);
  elsewhere = await mkdtemp(join(tmpdir(), 'vsb-else-'));
});
afterEach(async () => {
  await instance.stop();
  await rig.stop();
  await rm(elsewhere, { recursive: true, force: true });
});

test.each(['elsewhere', '/does/not/exist', undefined])(
  'with XDG_RUNTIME_DIR %s the same instance answers, and `up` leaves it alone',
  async (where) => {
    const variables = { XDG_RUNTIME_DIR: where === 'elsewhere' ? elsewhere : where };
    const [status, who, up] = await Promise.all([
      instance.run(['status', '--json'], variables),
      instance.run(['console', 'who', 'vm1'], variables),
      instance.run(['up'], variables),
    ]);
    expect(JSON.parse(status.stdout)).toMatchObject({ state: 'running' });
    expect(who).toMatchObject({ code: 0 });
    expect(up).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining('[E_INSTANCE_EXISTS]') as string },
    });
  },
  60_000,
);

test('without its sockets it is told so, and `up` does not end it', async () => {
  await rm(instance.paths.runtimeDir, { recursive: true });
  const [status, up] = await Promise.all([
    instance.run(['status', '--json']),
    instance.run(['up']),
  ]);
  expect(JSON.parse(status.stdout)).toMatchObject({
    ...{ state: 'broken', reason: expect.stringContaining('sockets, was removed') as string },
  });
  expect(up).toMatchObject({ code: 2, stderr: expect.stringContaining('down` ends it') as string });
  expect(await exists(instance.paths.processes)).toBe(true);
}, 60_000);
