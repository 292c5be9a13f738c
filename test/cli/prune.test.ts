import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { warmName } from '../../src/machine/saved/store.js';
import { instancePaths } from '../../src/state/paths.js';
import { createInstanceDirectories } from '../../src/state/private-folders.js';
import { findRoots } from '../../src/state/roots.js';
import { runCli } from '../rig/run-cli.js';
import { writeSavedState, writeSharedState } from '../rig/saved-state.js';

let directory: string;
let cache: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-prune-'));
  // In the tests state and runtime folders are in it too.
  cache = join(directory, 'vsbypass');
  await mkdir(cache, { mode: 0o700 });
  for (const digit of ['1', '2', '3']) {
    const image = join(cache, `l1-${digit.repeat(16)}`);
    await mkdir(image, { recursive: true });
    await writeFile(join(image, 'manifest.json'), '{}');
    await utimes(join(image, 'manifest.json'), 1, 1);
  }
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** A saved state of the default instance that was made with the image l1-DIGITS. */
async function save(name: string, digit: string): Promise<void> {
  const roots = findRoots({ XDG_STATE_HOME: directory, XDG_RUNTIME_DIR: directory });
  const paths = instancePaths('default', roots);
  await createInstanceDirectories(paths, roots);
  const l1 = join(cache, `l1-${digit.repeat(16)}`);
  await writeSavedState(paths, name, { xen: '/x', l1, l2: '/d' });
}

interface Pruned {
  readonly dryRun: boolean;
  readonly removed: readonly { readonly name: string }[];
  readonly shared: readonly { readonly key: string }[];
  readonly cache: readonly { readonly path: string; readonly bytes: number }[];
}

async function prune(...words: string[]): Promise<[states: string[], cache: string[]]> {
  const { code, stdout, stderr } = await runCli(directory, ['prune', '--json', ...words]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const document = JSON.parse(stdout) as Pruned;
  expect(document.dryRun).toBe(words.includes('--dry-run'));
  return [
    [...document.removed.map(({ name }) => name), ...document.shared.map(({ key }) => key)],
    document.cache.map(({ path }) => path.slice(cache.length + 1)),
  ];
}
const images = async (): Promise<string[]> =>
  (await readdir(cache)).filter((name) => name.startsWith('l1-')).map((name) => name.slice(-1));

it('removes images with the states that needed them, and leaves those of the other states', async () => {
  await save(warmName, '1');
  await save('before', '2');
  const gone = ['l1-1111111111111111', 'l1-3333333333333333'];
  expect(await prune('--dry-run')).toEqual([['warm'], gone]);
  expect(await images()).toEqual(['1', '2', '3']);
  expect(await prune()).toEqual([['warm'], gone]);
  expect(await images()).toEqual(['2']);
  expect(await prune()).toEqual([[], []]);
  expect(await prune('--all')).toEqual([['before'], ['l1-2222222222222222']]);
});

it('removes states that belong to all, with the images that only they needed', async () => {
  const images = { xen: '/x', l1: join(cache, `l1-${'1'.repeat(16)}`), l2: '/d' };
  const key = await writeSharedState(cache, 'a', images);
  const others = ['l1-2222222222222222', 'l1-3333333333333333'];
  expect(await prune('--unused-for', '1')).toEqual([[], others]);
  expect(await prune('--dry-run')).toEqual([[key], ['l1-1111111111111111']]);
  expect(await readdir(join(cache, 'states'))).toEqual([key]);
  expect(await prune()).toEqual([[key], ['l1-1111111111111111']]);
  expect(await readdir(join(cache, 'states'))).toEqual([]);
});

it('says in words what there was, and what it would give back', async () => {
  const { stdout } = await runCli(directory, ['prune', '--dry-run']);
  expect(stdout).toMatch(/^image +0 MiB +\/.*\/l1-1{16}$/m);
  expect(stdout).toMatch(/^0 MiB would be given back$/m);
  const { code } = await runCli(directory, ['prune', '--unused-for', 'ever']);
  expect(code).toBe(2);
});
