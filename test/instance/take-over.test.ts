/** Commands and the library where the daemon is gone and QEMU lives. flock(1), which would start one, is a stand-in. */
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { tcgCpuModel } from '../../src/host/cpu-model.js';
import { openTestbed } from '../../src/instance/handle.js';
import { writeResume } from '../../src/machine/resume.js';
import type { Running } from '../../src/machine/running.js';
import { instancePaths } from '../../src/state/paths.js';
import { createInstanceDirectories } from '../../src/state/private-folders.js';
import { findRoots } from '../../src/state/roots.js';
import { writeProcesses } from '../../src/state/record.js';
import { startLivingProcess } from '../rig/living-process.js';
import { runCli } from '../rig/run-cli.js';

let directory: string;
let qemu: ChildProcess;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-over-'));
  await mkdir(join(directory, 'bin'));
  await writeFile(join(directory, 'bin', 'flock'), '#!/bin/sh\nexit 75\n');
  await chmod(join(directory, 'bin', 'flock'), 0o755);
  vi.stubEnv('PATH', `${join(directory, 'bin')}:${process.env['PATH']}`);
  vi.stubEnv('XDG_STATE_HOME', directory);
  vi.stubEnv('XDG_RUNTIME_DIR', directory);
  const paths = instancePaths('default', findRoots());
  await createInstanceDirectories(paths, findRoots());
  const living = await startLivingProcess([`unix:${paths.qmpSocket}`]);
  qemu = living.child;
  await writeProcesses(paths, { qemu: living.identity });
  const request = {
    ...{
      config: parseConfig('{}', 'f'),
      accel: { accel: 'tcg', why: 'a test', cpu: tcgCpuModel() },
    },
    images: { xen: directory, l1: directory, l2: directory },
  };
  await writeResume(
    {
      paths,
      request,
      gateway: { port: 1 },
      hooks: new Map(),
      wanted: new Set(),
    } as unknown as Running,
    new Date().toISOString(),
  );
});
afterEach(async () => {
  qemu.kill('SIGKILL');
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

// The stand-in refuses: that it was asked shows that a new daemon was wanted.
const wanted = { code: 'E_BUSY', message: "another command is at work on instance 'default'" };

it('the library has a new daemon take it over', async () => {
  const testbed = openTestbed();
  await expect(testbed.listVms()).rejects.toMatchObject(wanted);
  await expect(testbed.setHook('vm1', true)).rejects.toMatchObject(wanted);
});

it('`irq` has a new daemon take it over', async () => {
  expect(await runCli(directory, ['irq', 'net'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(wanted.message) as string,
  });
});
