/** The saved states of an instance: written, listed, removed. */
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { bindingOf } from '../../../src/machine/saved/binding.js';
import { readState, type NewState } from '../../../src/machine/saved/folder.js';
import {
  deleteSnapshot,
  listSnapshots,
  pruneSnapshots,
  snapshotFolder,
  writeSnapshot,
} from '../../../src/machine/saved/store.js';
import type { InstancePaths } from '../../../src/state/paths.js';
import { machine, runs } from '../../rig/saved-state.js';
import { temporaryInstance } from '../../rig/temporary-instance.js';

let directory: string;
let paths: InstancePaths;

beforeEach(async () => {
  ({ directory, paths } = await temporaryInstance());
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const access = {
  management: { privatePem: 'p', publicLine: 'l' },
  l1Host: 'AAAA',
  l2Host: 'BBBB',
  passwords: { vm1: 'secret' },
};

async function save(name: string): Promise<NewState> {
  const state: NewState = {
    snapshot: {
      schemaVersion: 1,
      name,
      createdAt: new Date(0).toISOString(),
      binding: await bindingOf(machine),
      config: machine.config,
      runs,
      uuids: {},
    },
    access,
    fill: async (file) => {
      await writeFile(file, 'state');
      return [{ name: 'vm1', form: 'text', offset: 5 }];
    },
  };
  await writeSnapshot(paths, state);
  return state;
}

describe('writeSnapshot', () => {
  it('keeps all of it, for nobody else to read', async () => {
    const { snapshot } = await save('one');
    const folder = snapshotFolder(paths, 'one');
    const places = [{ name: 'vm1', form: 'text', offset: 5 }];
    expect(await readState(folder)).toEqual({ folder, snapshot: { ...snapshot, places }, access });
    expect((await stat(folder.directory)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder.directory, 'access.json'))).mode & 0o777).toBe(0o600);
  });

  it('leaves the old one as it was when the new one fails, and no remains', async () => {
    const state = await save('one');
    const before = await readState(snapshotFolder(paths, 'one'));
    const fill = (): Promise<never> => Promise.reject(new Error('no space'));
    await expect(writeSnapshot(paths, { ...state, fill })).rejects.toThrow('no space');
    expect(await readState(snapshotFolder(paths, 'one'))).toEqual(before);
    expect(await readdir(join(paths.stateDir, 'snapshots'))).toEqual(['one']);
  });

  it('says of one that a version before wrote why it cannot be trusted', async () => {
    const { snapshot } = await save('one');
    const folder = snapshotFolder(paths, 'one');
    await writeFile(folder.document, JSON.stringify({ ...snapshot, runs: undefined }));
    await expect(readState(folder)).rejects.toMatchObject({
      code: 'E_FILE',
      message: expect.stringContaining('does not say which user VMs ran') as string,
    });
  });

  it('refuses names that lead elsewhere', () => {
    expect(() => snapshotFolder(paths, '../../keys')).toThrow(
      expect.objectContaining({ code: 'E_INSTANCE_NAME' }) as Error,
    );
  });
});

describe('pruneSnapshots', () => {
  it('removes the warm state and what is damaged; all only when told', async () => {
    for (const name of ['warm', 'mine', 'bad']) await save(name);
    const bad = snapshotFolder(paths, 'bad');
    await writeFile(bad.document, '{');
    await expect(readState(bad)).rejects.toMatchObject({ code: 'E_FILE' });
    const names = (entries: readonly { name: string }[]): string[] => entries.map((e) => e.name);
    expect(names(await pruneSnapshots(paths, false))).toEqual(['bad', 'warm']);
    expect(names(await listSnapshots(paths))).toEqual(['mine']);
    expect(names(await pruneSnapshots(paths, true))).toEqual(['mine']);
    expect(await deleteSnapshot(paths, 'mine')).toBe(false);
  });
});
