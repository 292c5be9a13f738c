import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { imagesInUse } from '../../src/instance/images-in-use.js';
import { bootFiles } from '../../src/machine/plan.js';
import { instancePaths, type InstancePaths } from '../../src/state/paths.js';
import { createInstanceDirectories } from '../../src/state/private-folders.js';
import { findRoots, type Roots } from '../../src/state/roots.js';
import { writeProcesses } from '../../src/state/record.js';
import { writeSavedState, writeSharedState } from '../rig/saved-state.js';

let directory: string;
let roots: Roots;
const { signal } = new AbortController();

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-use-'));
  roots = findRoots({
    XDG_STATE_HOME: directory,
    XDG_RUNTIME_DIR: directory,
    XDG_CACHE_HOME: directory,
  });
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** An instance that was booted from /c/xen-NAME and so on. */
async function instance(name: string): Promise<InstancePaths> {
  const paths = instancePaths(name, roots);
  await createInstanceDirectories(paths, roots);
  await symlink(`/c/xen-${name}/xen`, join(paths.bootDir, bootFiles.xen));
  await symlink(`/c/l1-${name}/vmlinux`, join(paths.bootDir, bootFiles.dom0Kernel));
  await symlink(`/c/l2-${name}/l2.img`, join(paths.bootDir, bootFiles.l2Disk));
  return paths;
}
const foldersOf = (name: string): string[] => [`/c/xen-${name}`, `/c/l1-${name}`, `/c/l2-${name}`];

async function snapshot(paths: InstancePaths, name: string, images?: string): Promise<void> {
  const [xen = '', l1 = '', l2 = ''] = images === undefined ? [] : foldersOf(images);
  await writeSavedState(paths, name, images === undefined ? undefined : { xen, l1, l2 });
}

it('a stopped instance needs none, one in doubt those that it has booted', async () => {
  await instance('stopped');
  const broken = await instance('broken');
  await writeProcesses(broken, { qemu: { pid: 4_194_304, startTime: '1' } });
  expect(await imagesInUse(roots, { signal })).toEqual(foldersOf('broken'));
});

it('a saved state needs those that it was made with, as long as it is there', async () => {
  const paths = await instance('old');
  await snapshot(paths, 'before', 'saved');
  expect(await imagesInUse(roots, { signal })).toEqual(foldersOf('saved'));
  const without = new Set(['old/before']);
  expect(await imagesInUse(roots, { signal, without })).toEqual([]);
});

it('one that does not say so needs what was booted last', async () => {
  await snapshot(await instance('old'), 'before');
  expect(await imagesInUse(roots, { signal })).toEqual(foldersOf('old'));
});

it('so does one that belongs to all', async () => {
  const [xen = '', l1 = '', l2 = ''] = foldersOf('shared');
  const key = await writeSharedState(roots.cache, 'a', { xen, l1, l2 });
  expect(await imagesInUse(roots, { signal })).toEqual(foldersOf('shared'));
  expect(await imagesInUse(roots, { signal, without: new Set([key]) })).toEqual([]);
});
