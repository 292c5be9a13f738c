/** Saved states that somebody has given a name, below their instance. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { VsbError, messageOf } from '../../base/errors.js';
import type { ImageDirectories } from '../../images/build.js';
import { assertInstanceName, type InstancePaths } from '../../state/paths.js';
import {
  isBeingWritten,
  readState,
  replaceFolder,
  sizeOf,
  snapshotIn,
  stateFolder,
  writeState,
  type NewState,
  type Snapshot,
  type StateFolder,
} from './folder.js';

/** What stands for the state that `up` keeps and resumes by itself; it cannot be the name of another. */
export const warmName = 'warm';
/** Of an instance: a bound, each is some hundred MiB. */
export const maximumSnapshots = 8;

/** @throws VsbError E_INSTANCE_NAME for a name that cannot be one */
export function snapshotFolder({ stateDir }: InstancePaths, name: string): StateFolder {
  assertInstanceName(name);
  return stateFolder(join(stateDir, 'snapshots', name));
}

/** Replaces a state as a whole: only when all of the new one is there the old one goes. */
export async function writeSnapshot(paths: InstancePaths, state: NewState): Promise<void> {
  const folder = snapshotFolder(paths, state.snapshot.name);
  await writeState(folder, state, async (work) => await replaceFolder(work, folder.directory));
}

export async function deleteSnapshot(paths: InstancePaths, name: string): Promise<boolean> {
  const { directory } = snapshotFolder(paths, name);
  const there = await stat(directory).then(
    () => true,
    () => false,
  );
  await rm(directory, { recursive: true, force: true });
  return there;
}

export interface SnapshotEntry {
  readonly name: string;
  readonly bytes: number;
  /** Undefined when it is damaged. */
  readonly createdAt?: string;
  /** Folders of the images that it needs; versions before did not write them down. */
  readonly images?: ImageDirectories;
}

/** All of an instance, by name; with what an interrupted save has left, which has no date. */
export async function listSnapshots(paths: InstancePaths): Promise<SnapshotEntry[]> {
  const parent = join(paths.stateDir, 'snapshots');
  const names = (await readdir(parent).catch(() => [])).sort();
  return await Promise.all(
    names.map(async (name) => {
      const snapshot = await snapshotIn(join(parent, name));
      return {
        name,
        bytes: await sizeOf(join(parent, name)),
        ...(snapshot === undefined ? {} : { createdAt: snapshot.createdAt }),
        ...(snapshot?.images === undefined ? {} : { images: snapshot.images }),
      };
    }),
  );
}

/** What `prune` removes: what is damaged or was given up, the warm states of versions before, and with `all` every snapshot. */
export async function prunableSnapshots(
  paths: InstancePaths,
  all: boolean,
): Promise<SnapshotEntry[]> {
  const gone: SnapshotEntry[] = [];
  for (const entry of await listSnapshots(paths)) {
    if (!all && entry.name !== warmName && entry.createdAt !== undefined) continue;
    if (!(await isBeingWritten(join(paths.stateDir, 'snapshots', entry.name)))) gone.push(entry);
  }
  return gone;
}

/** Removes what {@link prunableSnapshots} finds. Returns what went. */
export async function pruneSnapshots(paths: InstancePaths, all: boolean): Promise<SnapshotEntry[]> {
  const gone = await prunableSnapshots(paths, all);
  for (const { name } of gone) {
    await rm(join(paths.stateDir, 'snapshots', name), { recursive: true, force: true });
  }
  return gone;
}

/** @throws VsbError E_FILE: none of that name, or it cannot be read */
export async function requireSnapshot(paths: InstancePaths, name: string): Promise<Snapshot> {
  const read = readState(snapshotFolder(paths, name));
  const found = await read.catch((error: unknown) => messageOf(error));
  if (found !== undefined && typeof found !== 'string') return found.snapshot;
  throw new VsbError('E_FILE', found ?? `instance '${paths.name}' has no snapshot '${name}'`, {
    hint: '`vsbypass snapshot list` shows those that there are.',
  });
}
