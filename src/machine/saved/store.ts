/**
 * Saved states of an instance, each a private folder: `state.zst` (QEMU's migration stream, the memory
 * of all layers with all secrets in it), `snapshot.json` (what it is bound to) and `access.json` (the
 * keys and passwords that were good when it was saved).
 */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { VsbError, messageOf } from '../../base/errors.js';
import { readJson, writePrivateJson } from '../../base/files.js';
import { configSchema, withDefaultVms } from '../../config/schema.js';
import { imagesSchema } from '../../contract/control.js';
import type { ImageDirectories } from '../../images/build.js';
import { assertInstanceName, type InstancePaths } from '../../state/paths.js';
import { bindingSchema } from './binding.js';

/** The one that `up` keeps and resumes by itself; it cannot be the name of another. */
export const warmName = 'warm';
const workSuffix = '.tmp';
/** Of an instance, beside the warm one: a bound, each is some hundred MiB. */
export const maximumSnapshots = 8;

export const accessSchema = z.object({
  /** OpenSSH private key of root in L1's dom0 and L2, and its public half. */
  management: z.object({ privatePem: z.string(), publicLine: z.string() }),
  /** dropbear's private host keys, base64. */
  l1Host: z.base64(),
  l2Host: z.base64(),
  passwords: z.record(z.string(), z.string()),
});
export type Access = z.output<typeof accessSchema>;

const snapshotSchema = z.object({
  schemaVersion: z.literal(1),
  name: z.string(),
  /** ISO 8601. */
  createdAt: z.iso.datetime(),
  binding: bindingSchema,
  /** The images that it needs, so that they are not pruned. */
  images: imagesSchema.optional(),
  config: configSchema.transform((parsed) => withDefaultVms(parsed, undefined)),
});
export type Snapshot = z.output<typeof snapshotSchema>;

export interface SnapshotPaths {
  readonly directory: string;
  readonly state: string;
  readonly document: string;
  readonly access: string;
}

/** @throws VsbError E_INSTANCE_NAME for a name that cannot be one */
export function snapshotPaths({ stateDir }: InstancePaths, name: string): SnapshotPaths {
  assertInstanceName(name);
  const directory = join(stateDir, 'snapshots', name);
  return {
    directory,
    state: join(directory, 'state.zst'),
    document: join(directory, 'snapshot.json'),
    access: join(directory, 'access.json'),
  };
}

/** Undefined when there is none of that name. @throws VsbError E_FILE when it is damaged */
export async function readSnapshot(
  paths: InstancePaths,
  name: string,
): Promise<{ readonly snapshot: Snapshot; readonly access: Access } | undefined> {
  const { document, access } = snapshotPaths(paths, name);
  const snapshot = await readJson(document, snapshotSchema);
  const keys = await readJson(access, accessSchema);
  return snapshot === undefined || keys === undefined ? undefined : { snapshot, access: keys };
}

/**
 * Replaces a state as a whole: `fill` writes the new `state.zst`, and only when all of it is there
 * the old one goes.
 */
export async function writeSnapshot(
  paths: InstancePaths,
  snapshot: Snapshot,
  access: Access,
  fill: (stateFile: string) => Promise<void>,
): Promise<void> {
  const target = snapshotPaths(paths, snapshot.name);
  const work = `${target.directory}${workSuffix}`;
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true, mode: 0o700 });
  try {
    await fill(join(work, 'state.zst'));
    await writePrivateJson(join(work, 'access.json'), access);
    await writePrivateJson(join(work, 'snapshot.json'), snapshot);
    await rm(target.directory, { recursive: true, force: true });
    await rename(work, target.directory);
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    throw error;
  }
}

export async function deleteSnapshot(paths: InstancePaths, name: string): Promise<boolean> {
  const { directory } = snapshotPaths(paths, name);
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
      const read = readJson(join(parent, name, 'snapshot.json'), snapshotSchema);
      const snapshot = await read.catch(() => undefined);
      return {
        name,
        bytes: await sizeOf(join(parent, name)),
        ...(snapshot === undefined ? {} : { createdAt: snapshot.createdAt }),
        ...(snapshot?.images === undefined ? {} : { images: snapshot.images }),
      };
    }),
  );
}

/** A state grows all the time while it is written; what has not for so long was given up. */
const abandonedAfterMs = 60_000;

/** What `prune` removes: the warm state, what is damaged or was given up, and with `all` every snapshot. */
export async function prunableSnapshots(
  paths: InstancePaths,
  all: boolean,
): Promise<SnapshotEntry[]> {
  const gone: SnapshotEntry[] = [];
  for (const entry of await listSnapshots(paths)) {
    if (!all && entry.name !== warmName && entry.createdAt !== undefined) continue;
    if (!(await isBeingWritten(paths, entry.name))) gone.push(entry);
  }
  return gone;
}

/** Names of instances and states have no dot: that of a folder that `writeSnapshot` fills has. */
async function isBeingWritten({ stateDir }: InstancePaths, name: string): Promise<boolean> {
  if (!name.endsWith(workSuffix)) return false;
  const directory = join(stateDir, 'snapshots', name);
  const times = await Promise.all(
    [directory, join(directory, 'state.zst')].map(async (path) => {
      return await stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      );
    }),
  );
  return Date.now() - Math.max(...times) < abandonedAfterMs;
}

/** Removes what {@link prunableSnapshots} finds. Returns what went. */
export async function pruneSnapshots(paths: InstancePaths, all: boolean): Promise<SnapshotEntry[]> {
  const gone = await prunableSnapshots(paths, all);
  for (const { name } of gone) {
    await rm(join(paths.stateDir, 'snapshots', name), { recursive: true, force: true });
  }
  return gone;
}

async function sizeOf(directory: string): Promise<number> {
  let bytes = 0;
  for (const file of await readdir(directory).catch(() => [])) {
    bytes += await stat(join(directory, file)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return bytes;
}

/** @throws VsbError E_FILE: none of that name, or it cannot be read */
export async function requireSnapshot(paths: InstancePaths, name: string): Promise<Snapshot> {
  const found = await readSnapshot(paths, name).catch((error: unknown) => messageOf(error));
  if (found !== undefined && typeof found !== 'string') return found.snapshot;
  throw new VsbError('E_FILE', found ?? `instance '${paths.name}' has no snapshot '${name}'`, {
    hint: '`vsbypass snapshot list` shows those that there are.',
  });
}
