/** Folders that nobody else can enter: those of an instance, and any other that holds secrets. */
import { lstat, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

import { errnoOf, VsbError } from '../base/errors.js';
import { recordedLink, type InstancePaths } from './paths.js';
import type { Roots } from './roots.js';

/**
 * Makes sure that `path` is a folder of ours with mode 0700. The last component is created where
 * missing (its parents too, with the same mode); one that somebody else owns, that is a symbolic
 * link, or that others may enter is refused: in /tmp anyone can have put it there.
 *
 * @throws VsbError E_PERMISSION
 */
export async function ensurePrivateDirectory(
  path: string,
  uid: number = process.getuid?.() ?? 0,
): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new VsbError('E_PERMISSION', `cannot create ${path}: ${errnoOf(error) ?? 'error'}`, {
      cause: error,
    });
  }
  const found = await lstat(path);
  const mode = found.mode & 0o777;
  const wrong = !found.isDirectory()
    ? 'is not a folder'
    : found.uid !== uid
      ? `belongs to uid ${found.uid}`
      : (mode & 0o077) !== 0
        ? `has mode ${mode.toString(8)}`
        : undefined;
  if (wrong !== undefined) {
    throw new VsbError(
      'E_PERMISSION',
      `${path} ${wrong}; it must be a folder of uid ${uid} with mode 700`,
      {
        hint: `Remove it, or set XDG_RUNTIME_DIR to a folder of yours with mode 700.`,
        details: { path },
      },
    );
  }
}

/** Creates all folders of an instance, each private, from the roots down, and records where its sockets are. */
export async function createInstanceDirectories(paths: InstancePaths, roots: Roots): Promise<void> {
  const elsewhere = paths.runtimeDir !== paths.runtimeRecord;
  for (const path of [
    // It is the one that may stand in /tmp.
    ...(paths.runtimeDir === join(roots.runtime, paths.name) ? [roots.runtime] : []),
    paths.stateDir,
    paths.runtimeDir,
    paths.keysDir,
    paths.bootDir,
    paths.logDir,
  ]) {
    await ensurePrivateDirectory(path);
  }
  if (!elsewhere || recordedLink(paths.runtimeRecord) === paths.runtimeDir) return;
  await rm(paths.runtimeRecord, { recursive: true, force: true });
  await symlink(paths.runtimeDir, paths.runtimeRecord);
}
