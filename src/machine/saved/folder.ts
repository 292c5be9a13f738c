/**
 * A saved state on disk, a private folder: `state.zst` (QEMU's migration stream, the memory of all layers with all secrets in it),
 * `snapshot.json` (what it is bound to) and `access.json` (the keys and passwords that were good when it was saved).
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { VsbError } from '../../base/errors.js';
import { readJson, writePrivateJson } from '../../base/files.js';
import { configSchema, withDefaultVms } from '../../config/schema.js';
import { imagesSchema } from '../../contract/control.js';
import { bindingSchema } from './binding.js';
import { runsSchema, type Runs } from './runs.js';
import type { PlaceInFile } from './transfer.js';
import { forms } from './uuids.js';

/** Of a folder that is being filled. Names of instances and states have no dot. */
export const workSuffix = '.tmp';

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
  /** Versions before did not know. */
  runs: runsSchema.optional(),
  /** UUIDs that it was saved with, by their owners, and where they are in the file; versions before did not know. */
  uuids: z.record(z.string(), z.string()).default({}),
  places: z.array(z.object({ name: z.string(), form: z.enum(forms), offset: z.int() })).default([]),
});
export type Snapshot = z.output<typeof snapshotSchema>;

export interface StateFolder {
  readonly directory: string;
  readonly state: string;
  readonly document: string;
  readonly access: string;
}

export function stateFolder(directory: string): StateFolder {
  return {
    directory,
    state: join(directory, 'state.zst'),
    document: join(directory, 'snapshot.json'),
    access: join(directory, 'access.json'),
  };
}

/** A state that is whole. */
export interface SavedState {
  readonly folder: StateFolder;
  readonly snapshot: Snapshot & { readonly runs: Runs };
  readonly access: Access;
}

/** Undefined when there is none. @throws VsbError E_FILE when it is damaged, or does not say what is to be renewed */
export async function readState(folder: StateFolder): Promise<SavedState | undefined> {
  const snapshot = await readJson(folder.document, snapshotSchema);
  const access = await readJson(folder.access, accessSchema);
  if (snapshot === undefined || access === undefined) return undefined;
  const { runs } = snapshot;
  if (runs !== undefined) return { folder, snapshot: { ...snapshot, runs }, access };
  throw new VsbError('E_FILE', `${folder.document} does not say which user VMs ran`, {
    hint: 'A version before wrote it. Save it anew.',
  });
}

export interface NewState {
  readonly snapshot: Omit<Snapshot, 'places'> & { readonly runs: Runs };
  readonly access: Access;
  /** Writes `state.zst`. */
  readonly fill: (stateFile: string) => Promise<readonly PlaceInFile[]>;
}

/** Fills a folder beside the one that is meant, and has `place` put it there when all of it is written. */
export async function writeState(
  { directory }: StateFolder,
  { snapshot, access, fill }: NewState,
  place: (work: string) => Promise<void>,
): Promise<void> {
  // Another may be writing the same, in this process, too.
  const work = `${directory}.${randomBytes(6).toString('hex')}${workSuffix}`;
  await mkdir(work, { recursive: true, mode: 0o700 });
  try {
    const files = stateFolder(work);
    const places = [...(await fill(files.state))];
    await writePrivateJson(files.access, access);
    await writePrivateJson(files.document, { ...snapshot, places });
    await place(work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Undefined when it is damaged or unfinished. */
export async function snapshotIn(directory: string): Promise<Snapshot | undefined> {
  return await readJson(stateFolder(directory).document, snapshotSchema).catch(() => undefined);
}

/** A state grows all the time while it is written; what has not for so long was given up. */
const abandonedAfterMs = 60_000;

export async function isBeingWritten(directory: string): Promise<boolean> {
  if (!directory.endsWith(workSuffix)) return false;
  const times = await Promise.all(
    [directory, stateFolder(directory).state].map(async (path) => {
      return await stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      );
    }),
  );
  return Date.now() - Math.max(...times) < abandonedAfterMs;
}

export async function sizeOf(directory: string): Promise<number> {
  let bytes = 0;
  for (const file of await readdir(directory).catch(() => [])) {
    bytes += await stat(join(directory, file)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return bytes;
}

/** Puts a folder in the place of another. */
export async function replaceFolder(work: string, directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await rename(work, directory);
}
