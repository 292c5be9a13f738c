/**
 * Saved states for everybody: in the cache, each under a name that is the hash of what made it. `up` keeps them by itself; any
 * instance of the same make begins with one. A state is never changed, only removed as a whole.
 */
import { createHash } from 'node:crypto';
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

import { errnoOf } from '../../base/errors.js';
import type { L2Kind } from '../../config/schema.js';
import type { ImageDirectories } from '../../images/build.js';
import { ensurePrivateDirectory } from '../../state/private-folders.js';
import { differences, type Binding } from './binding.js';
import {
  isBeingWritten,
  sizeOf,
  snapshotIn,
  stateFolder,
  writeState,
  type NewState,
  type StateFolder,
} from './folder.js';

/** A bound: each is some hundred MiB. The one that nobody has begun with for the longest time goes first. */
export const maximumShared = 6;

/** Digits of the hash in a name. */
const keyDigits = 32;

export function sharedKey(binding: Binding): string {
  return createHash('sha256').update(JSON.stringify(binding)).digest('hex').slice(0, keyDigits);
}

function parentOf(cacheDir: string): string {
  return join(cacheDir, 'states');
}

export function sharedFolder(cacheDir: string, key: string): StateFolder {
  return stateFolder(join(parentOf(cacheDir), key));
}

/**
 * Adds a state; one that is there already stays, since somebody may be reading it.
 *
 * @throws VsbError E_PERMISSION when the folder is not ours alone; what `fill` throws
 */
export async function writeShared(cacheDir: string, key: string, state: NewState): Promise<void> {
  // Whoever could write there could have us run a machine of his, with keys that he knows.
  await ensurePrivateDirectory(parentOf(cacheDir));
  const folder = sharedFolder(cacheDir, key);
  await writeState(folder, state, async (work) => {
    try {
      await rename(work, folder.directory);
    } catch (error) {
      if (!['EEXIST', 'ENOTEMPTY'].includes(errnoOf(error) ?? '')) throw error;
    }
  });
  const states = (await listShared(cacheDir)).filter((one) => one.createdAt !== undefined);
  const others = states.filter((one) => one.key !== key);
  const oldestFirst = others.sort((a, b) => a.usedAtMs - b.usedAtMs);
  const tooMany = Math.max(0, oldestFirst.length + 1 - maximumShared);
  for (const one of oldestFirst.slice(0, tooMany)) await deleteShared(cacheDir, one.key);
}

export async function deleteShared(cacheDir: string, key: string): Promise<void> {
  await rm(sharedFolder(cacheDir, key).directory, { recursive: true, force: true });
}

/** Somebody begins with it. */
export async function markUsed({ document }: StateFolder): Promise<void> {
  const now = new Date();
  // It may have been removed meanwhile.
  await utimes(document, now, now).catch(() => undefined);
}

export interface SharedEntry {
  readonly key: string;
  readonly bytes: number;
  readonly usedAtMs: number;
  /** The rest is undefined when it is damaged, or being written. */
  readonly createdAt?: string;
  readonly l2?: L2Kind;
  readonly vms?: number;
  readonly images?: ImageDirectories;
  readonly binding?: Binding;
}

/** All of them, with what an interrupted save has left. */
export async function listShared(cacheDir: string): Promise<SharedEntry[]> {
  const parent = parentOf(cacheDir);
  const keys = (await readdir(parent).catch(() => [])).sort();
  return await Promise.all(
    keys.map(async (key) => {
      const directory = join(parent, key);
      const snapshot = await snapshotIn(directory);
      const used = await stat(stateFolder(directory).document).catch(() => undefined);
      return {
        key,
        bytes: await sizeOf(directory),
        usedAtMs: used?.mtimeMs ?? 0,
        ...(snapshot === undefined
          ? {}
          : {
              createdAt: snapshot.createdAt,
              l2: snapshot.config.l2.kind,
              vms: snapshot.config.vms.length,
              binding: snapshot.binding,
              ...(snapshot.images === undefined ? {} : { images: snapshot.images }),
            }),
      };
    }),
  );
}

/**
 * What keeps the state that is most like the wanted one from being taken, for people; undefined where there is none for that
 * configuration.
 */
export async function whyNone(cacheDir: string, wanted: Binding): Promise<string | undefined> {
  const reasons = (await listShared(cacheDir))
    .map(({ binding }) => (binding === undefined ? [] : differences(binding, wanted)))
    .filter((parts) => parts.length > 0 && !parts.includes('config'))
    .sort((a, b) => a.length - b.length);
  const [closest] = reasons;
  return closest === undefined
    ? undefined
    : `the kept one was made with another ${closest.join(', ')}`;
}

/** @param unusedForDays what was used within so many days stays */
export async function prunableShared(
  cacheDir: string,
  unusedForDays: number,
): Promise<SharedEntry[]> {
  const since = Date.now() - unusedForDays * 86_400_000;
  const gone: SharedEntry[] = [];
  for (const entry of await listShared(cacheDir)) {
    if (unusedForDays > 0 && entry.usedAtMs >= since) continue;
    if (!(await isBeingWritten(join(parentOf(cacheDir), entry.key)))) gone.push(entry);
  }
  return gone;
}
