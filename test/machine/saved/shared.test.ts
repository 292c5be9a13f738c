import { mkdir, mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { bindingOf } from '../../../src/machine/saved/binding.js';
import { chooseState } from '../../../src/machine/saved/choose.js';
import {
  listShared,
  maximumShared,
  prunableShared,
  sharedFolder,
  sharedKey,
  writeShared,
} from '../../../src/machine/saved/shared.js';
import { instancePaths, type InstancePaths } from '../../../src/state/paths.js';
import { findRoots } from '../../../src/state/roots.js';
import { machine, runs, writeSharedState } from '../../rig/saved-state.js';

let directory: string;
let cacheDir: string;
let paths: InstancePaths;
const request = {
  ...machine,
  keepFailed: false,
  warm: { resume: 'warm', must: false, keep: true },
} as const;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-shared-'));
  const roots = findRoots({
    XDG_STATE_HOME: directory,
    XDG_RUNTIME_DIR: directory,
    XDG_CACHE_HOME: directory,
  });
  paths = instancePaths('default', roots);
  cacheDir = paths.cacheDir;
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const keys = async (): Promise<string[]> => (await listShared(cacheDir)).map(({ key }) => key);

/** Writes a state of the machine that `request` asks for. */
async function writeWanted(): Promise<string> {
  const binding = await bindingOf(request);
  const key = sharedKey(binding);
  await writeShared(cacheDir, key, {
    snapshot: {
      ...{ schemaVersion: 1, name: 'warm', createdAt: new Date().toISOString(), binding },
      ...{ config: request.config, runs, uuids: {} },
    },
    access: {
      ...{ management: { privatePem: 'p', publicLine: 'l' }, l1Host: '', l2Host: '' },
      passwords: {},
    },
    fill: async (file) => {
      await writeFile(file, 'wanted');
      return [];
    },
  });
  return key;
}

describe('writeShared', () => {
  it('keeps states in a folder that nobody else can enter', async () => {
    const key = await writeSharedState(cacheDir, 'a');
    for (const folder of ['states', join('states', key)]) {
      expect((await stat(join(cacheDir, folder))).mode & 0o777).toBe(0o700);
    }
  });

  it('refuses a folder that others can write to', async () => {
    await mkdir(join(cacheDir, 'states'), { recursive: true, mode: 0o755 });
    await expect(writeSharedState(cacheDir, 'a')).rejects.toMatchObject({ code: 'E_PERMISSION' });
  });

  it('leaves one that is there, which somebody may be reading', async () => {
    const key = await writeSharedState(cacheDir, 'a');
    const file = sharedFolder(cacheDir, key).state;
    await writeFile(file, 'the first');
    await Promise.all([writeSharedState(cacheDir, 'a'), writeSharedState(cacheDir, 'a')]);
    expect(await readFile(file, 'utf8')).toBe('the first');
    expect(await readdir(join(cacheDir, 'states'))).toEqual([key]);
  });

  it('is bounded: what was not used for longest goes first', async () => {
    const made: string[] = [];
    for (let i = 0; i < maximumShared; i++) {
      const key = await writeSharedState(cacheDir, String(i));
      made.push(key);
      await utimes(sharedFolder(cacheDir, key).document, i + 1, i + 1);
    }
    await utimes(sharedFolder(cacheDir, made[0] ?? '').document, 100, 100);
    made.push(await writeSharedState(cacheDir, 'one more'));
    expect(await keys()).toEqual(made.filter((_, index) => index !== 1).sort());
  });
});

describe('chooseState', () => {
  it('takes what another instance of the same make has kept, and marks it as used', async () => {
    const key = await writeWanted();
    const { document } = sharedFolder(cacheDir, key);
    await utimes(document, 1, 1);
    const { chosen } = await chooseState({ ...paths, name: 'other' }, request);
    expect(chosen?.folder.directory).toBe(join(cacheDir, 'states', key));
    expect((await stat(document)).mtimeMs).toBeGreaterThan(1000);
  });

  it('says nothing where there is none, and why one of another make is of no use', async () => {
    expect(await chooseState(paths, request)).toEqual({ dropped: false });
    await writeWanted();
    const images = { ...request.images, l2: '/d-2' };
    expect(await chooseState(paths, { ...request, images })).toEqual({
      dropped: false,
      why: 'the kept one was made with another images',
    });
  });

  it('removes one that is damaged, and says so', async () => {
    const key = await writeWanted();
    await writeFile(sharedFolder(cacheDir, key).access, '{');
    const choice = await chooseState(paths, request);
    expect(choice).toMatchObject({
      dropped: true,
      why: expect.stringContaining('damaged') as string,
    });
    expect(await keys()).toEqual([]);
  });

  it('takes one that is being written for none', async () => {
    const key = await writeWanted();
    await mkdir(join(cacheDir, 'states', `${key}.1.tmp`));
    await rm(join(cacheDir, 'states', key), { recursive: true });
    expect(await chooseState(paths, request)).toEqual({ dropped: false });
  });
});

describe('prunableShared', () => {
  it('leaves what is being written, and what was used within so many days', async () => {
    const key = await writeSharedState(cacheDir, 'a');
    await mkdir(join(cacheDir, 'states', `${key}.1.tmp`));
    const names = async (days: number): Promise<string[]> =>
      (await prunableShared(cacheDir, days)).map((entry) => entry.key);
    expect(await names(1)).toEqual([]);
    expect(await names(0)).toEqual([key]);
    await utimes(join(cacheDir, 'states', `${key}.1.tmp`), 1, 1);
    expect(await names(1)).toEqual([`${key}.1.tmp`]);
  });
});
