import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, copyFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { identifyProcess, isAlive, type ProcessIdentity } from '../../src/base/process-identity.js';
import { inspectInstance } from '../../src/instance/inspect.js';
import { stopInstance } from '../../src/instance/stop.js';
import { machineArguments } from '../../src/layers/l0.js';
import { findLeftovers, removeLeftovers } from '../../src/machine/leftovers.js';
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

/** A process that looks like a QEMU with these words on its command line. */
async function fakeQemu(...words: string[]): Promise<ProcessIdentity> {
  const { child, identity } = await startLivingProcess(words);
  children.push(child);
  return identity;
}
const dead: ProcessIdentity = { pid: 2 ** 22 + 1, startTime: '1' };

describe('a daemon that was killed', () => {
  it('leaves a QEMU that is found, reported and ended', async () => {
    const qemu = await fakeQemu(`unix:${paths.qmpSocket}`);
    await writeProcesses(paths, { daemon: dead, qemu });
    expect(await inspectInstance(paths)).toMatchObject({
      state: 'broken',
      reason: `the daemon is gone, QEMU (pid ${qemu.pid}) still runs`,
      processes: { qemu: qemu.pid },
    });
    expect(await stopInstance(paths)).toBe(true);
    expect((await inspectInstance(paths)).state).toBe('stopped');
    await expect(access(paths.runtimeDir)).rejects.toThrow();
    expect(await stopInstance(paths)).toBe(false);
  });

  it('leaves a pid that another process has got: it is spared', async () => {
    const other = await fakeQemu(`unix:${paths.qmpSocket}`);
    await writeProcesses(paths, { daemon: dead, qemu: { ...other, startTime: '1' } });
    const leftovers = await findLeftovers(paths);
    expect(leftovers).toEqual({ recorded: true });
    await removeLeftovers(paths, leftovers);
    expect(await identifyProcess(other.pid)).toEqual(other);
  });

  it('leaves a QEMU that is known by its socket, whatever is in the path of that', async () => {
    const odd = { ...paths, qmpSocket: join(directory, 'a,b', 'qmp.sock') };
    const about = { name: 'x', accel: 'tcg', cpu: 'EPYC', cpus: 1, memoryMiB: 64 } as const;
    const { qmpSocket } = odd;
    const qemu = await fakeQemu(...machineArguments({ ...about, qmpSocket }));
    await writeProcesses(odd, { daemon: dead, qemu });
    expect(await findLeftovers(odd)).toMatchObject({ qemu, make: 'QEMU' });
  });

  it('leaves a process that does not look like this QEMU: it is spared', async () => {
    const other = await fakeQemu('something else');
    await writeProcesses(paths, { daemon: dead, qemu: other });
    expect(await findLeftovers(paths)).toEqual({ recorded: true });
    expect(await inspectInstance(paths)).toMatchObject({
      state: 'broken',
      reason: 'the daemon and QEMU are gone',
    });
  });
});

describe('findLeftovers without a record', () => {
  it('finds a daemon by the lock that it holds, and a QEMU by its socket', async () => {
    const script =
      "require('fs').openSync(process.argv[2], 'a'); console.log('up'); setInterval(() => {}, 1000)";
    const daemon = spawn(process.execPath, ['-e', script, 'daemon', paths.lock]);
    children.push(daemon);
    await once(daemon.stdout, 'data');
    const program = join(directory, 'qemu-system-x86_64');
    await copyFile('/bin/sh', program);
    const { child: qemu } = await startLivingProcess(
      [`unix:${paths.qmpSocket},server=on`],
      program,
    );
    children.push(qemu);
    expect(await findLeftovers(paths)).toMatchObject({
      recorded: true,
      daemon: { pid: daemon.pid },
      qemu: { pid: qemu.pid },
    });
  });

  it('takes nothing else for them', async () => {
    await fakeQemu(`unix:${paths.qmpSocket},server=on`, 'daemon');
    expect(await findLeftovers(paths)).toEqual({ recorded: false });
  });
});

describe('inspectInstance', () => {
  it('says that a daemon does not answer', async () => {
    const daemon = await fakeQemu('a daemon without a socket');
    await writeProcesses(paths, { daemon });
    expect(await inspectInstance(paths)).toMatchObject({
      state: 'broken',
      reason: expect.stringContaining('does not answer') as string,
      processes: { daemon: daemon.pid },
    });
  });

  it('does not fail for a damaged record, and `down` repairs it', async () => {
    await writeFile(paths.processes, '{');
    expect(await inspectInstance(paths)).toMatchObject({
      state: 'broken',
      reason: expect.stringContaining('is damaged') as string,
    });
    expect(await stopInstance(paths)).toBe(true);
    expect((await inspectInstance(paths)).state).toBe('stopped');
  });

  it('tells an instance that never was from one that is stopped', async () => {
    expect((await inspectInstance(paths)).state).toBe('stopped');
    await rm(paths.stateDir, { recursive: true });
    expect((await inspectInstance(paths)).state).toBe('absent');
  });

  it('names a daemon that is stopped by a signal, and `down` ends it all the same', async () => {
    const daemon = await fakeQemu('a daemon');
    await writeProcesses(paths, { daemon });
    process.kill(daemon.pid, 'SIGSTOP');
    await expect
      .poll(async () => (await inspectInstance(paths)).reason)
      .toContain(`kill -CONT ${daemon.pid}`);
    expect(await stopInstance(paths)).toBe(true);
    expect(await isAlive(daemon)).toBe(false);
  }, 30_000);
});
