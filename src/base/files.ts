/** Small files that must never be seen half-written. */
import { randomBytes } from 'node:crypto';
import { access, link, open, readFile, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

import type { z } from 'zod';

import { VsbError, errnoOf, messageOf } from './errors.js';

/** Replaces a file as a whole, mode 0600. */
export async function writePrivateFile(path: string, content: string | Buffer): Promise<void> {
  try {
    await writeBeside(path, content, async (temporary) => await rename(temporary, path));
  } catch (error) {
    throw fileError(`cannot write ${path}`, error);
  }
}

/**
 * Makes a file, mode 0600, that is on the disk when this returns.
 * @returns false, and nothing is changed, when there is one already
 */
export async function createPrivateFile(path: string, content: string): Promise<boolean> {
  try {
    await writeBeside(path, content, async (temporary, file) => {
      await file.sync();
      await link(temporary, path);
    });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Replaces somebody's file as a whole, and keeps its mode and owner: it is on the disk when this returns. */
export async function replaceFile(path: string, content: string | Buffer): Promise<void> {
  const before = await stat(path).catch(() => undefined);
  await writeBeside(path, content, async (temporary, file) => {
    if (before !== undefined) {
      // In this order: a change of the owner takes bits off the mode.
      if (before.uid !== process.getuid?.()) await file.chown(before.uid, before.gid);
      await file.chmod(before.mode & 0o7777);
    }
    await file.sync();
    await rename(temporary, path);
  });
}

/** Writes a new file in the same folder, and has `place` put it where it belongs. */
async function writeBeside(
  path: string,
  content: string | Buffer,
  place: (temporary: string, file: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await place(temporary, file);
  } finally {
    await file.close();
    await rm(temporary, { force: true });
  }
}

export async function writePrivateJson(path: string, document: unknown): Promise<void> {
  await writePrivateFile(path, `${JSON.stringify(document, undefined, 2)}\n`);
}

/** Whether there is something of that name that this user may see. */
export async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Reads a JSON file of ours; undefined when it is not there.
 *
 * @throws VsbError E_FILE when it is not what it should be
 */
export async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const content = await readIfThere(path);
  if (content === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(content.toString('utf8')));
  } catch (error) {
    throw new VsbError('E_FILE', `${path} is damaged`, {
      hint: 'Remove it; `vsbypass up` makes it anew.',
      cause: error,
    });
  }
}

export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw fileError(`cannot read ${path}`, error);
  }
}

/** Whether the disk is full, or what the user may have of it (a quota). */
export function isFull(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOSPC' || errno === 'EDQUOT';
}

/** The same for what may have failed otherwise: an expected error, a signal's reason and a bug stay what they are. */
export function orFileError(what: string, error: unknown): unknown {
  return error instanceof Error && 'syscall' in error ? fileError(what, error) : error;
}

/** What a file's failure is to the user: no space, or the file. */
export function fileError(what: string, error: unknown): VsbError {
  return new VsbError(isFull(error) ? 'E_NO_SPACE' : 'E_FILE', `${what}: ${messageOf(error)}`, {
    cause: error,
  });
}
