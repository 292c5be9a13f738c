/** Going back to a snapshot. The instance that runs is a stand-in, which notes that it is told to end. */
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { ControlServer, type Handlers } from '../../src/daemon/server.js';
import { decideAccel } from '../../src/host/accel.js';
import { imageNames, imagesDirectory, namesIn } from '../../src/images/build.js';
import { askAndStamp } from '../../src/images/stamp.js';
import { restoreInstance } from '../../src/instance/restore.js';
import { bindingOf, type Binding } from '../../src/machine/saved/binding.js';
import { writeSnapshot } from '../../src/machine/saved/store.js';
import { instancePaths, type InstancePaths } from '../../src/state/paths.js';
import { createInstanceDirectories } from '../../src/state/private-folders.js';
import { findRoots, type Roots } from '../../src/state/roots.js';
import { writeProcesses } from '../../src/state/record.js';
import { startLivingProcess } from '../rig/living-process.js';
import { bindingTo, stateOf } from '../rig/saved-state.js';

let directory: string;
let roots: Roots;
let paths: InstancePaths;
let daemon: ChildProcess;
let server: ControlServer;
let toldToEnd: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-restore-'));
  vi.stubEnv('PATH', `${join(directory, 'bin')}:${process.env['PATH']}`);
  roots = findRoots({
    XDG_STATE_HOME: directory,
    XDG_CACHE_HOME: directory,
    XDG_RUNTIME_DIR: directory,
  });
  paths = instancePaths('default', roots);
  await createInstanceDirectories(paths, roots);
  const living = await startLivingProcess([]);
  daemon = living.child;
  await writeProcesses(paths, { daemon: living.identity });
  toldToEnd = 0;
  const down = (): Promise<Record<string, never>> => {
    toldToEnd++;
    daemon.kill('SIGKILL');
    return Promise.resolve({});
  };
  server = await ControlServer.listen(paths.controlSocket, {
    down,
  } as Partial<Handlers> as Handlers);
  await standIn('flock', 'exit 75');
  await pretendImages();
});
afterEach(async () => {
  daemon.kill('SIGKILL');
  await server.close();
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

async function standIn(program: string, script: string): Promise<void> {
  await mkdir(join(directory, 'bin'), { recursive: true });
  const path = join(directory, 'bin', program);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

/** As if they had been built. */
async function pretendImages(): Promise<void> {
  const names = namesIn(imageNames('kvm'));
  for (const name of names) {
    await mkdir(folderOf(name), { recursive: true });
    await writeFile(join(folderOf(name), 'manifest.json'), '{}');
  }
  const output = names.map((name) => `${name}\t${folderOf(name)}\n`).join('');
  const inputs = { cacheDir: roots.cache, names, sources: imagesDirectory };
  await askAndStamp(inputs, () => Promise.resolve(output));
}

const folderOf = (image: string): string => join(roots.cache, `${image}-1`);

const config = parseConfig('{"accel": "tcg"}', 'f');

async function bindingNow(): Promise<Binding> {
  const { xen, l1, l2 = '' } = imageNames('kvm');
  const images = { xen: folderOf(xen), l1: folderOf(l1), l2: folderOf(l2) };
  return await bindingOf({ config, accel: decideAccel(config, undefined), images });
}

async function restore(binding: Binding): Promise<unknown> {
  const state = stateOf('s', binding, undefined);
  await writeSnapshot(paths, { ...state, snapshot: { ...state.snapshot, config } });
  const signal = AbortSignal.timeout(60_000);
  return await restoreInstance({ paths, roots, signal, report: () => undefined }, 's');
}

it('ends what runs where the snapshot fits', async () => {
  // flock(1) refuses: by then the daemon was told.
  await expect(restore(await bindingNow())).rejects.toMatchObject({ code: 'E_BUSY' });
  expect(toldToEnd).toBe(1);
});

it('leaves what runs alone where the snapshot is of another make', async () => {
  const { images } = bindingTo('others');
  await expect(restore({ ...(await bindingNow()), images })).rejects.toMatchObject({
    code: 'E_FILE',
    message: "snapshot 's' cannot be restored: it was made with another images",
  });
  expect(toldToEnd).toBe(0);
});

it('leaves what runs alone where the host lacks something', async () => {
  const binding = await bindingNow();
  await standIn('qemu-system-x86_64', 'echo "QEMU emulator version 5.2.0"');
  await expect(restore(binding)).rejects.toMatchObject({ exitCode: 3 });
  expect(toldToEnd).toBe(0);
});

it('leaves what runs alone where there is no such snapshot', async () => {
  const signal = AbortSignal.timeout(60_000);
  const options = { paths, roots, signal, report: () => undefined };
  await expect(restoreInstance(options, 'nosuch')).rejects.toMatchObject({ code: 'E_FILE' });
  expect(toldToEnd).toBe(0);
});
