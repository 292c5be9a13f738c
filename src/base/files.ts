/** Small files that must never be seen half-written. */
import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';

import type { z } from 'zod';

import { VsbError, errnoOf, messageOf } from './errors.js';

/** Replaces a file as a whole, mode 0600. */
export async function writePrivateFile(path: string, content: string | Buffer): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, content, { mode: 0o600, flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(`cannot write ${path}`, error);
  }
}

export async function writePrivateJson(path: string, document: unknown): Promise<void> {
  await writePrivateFile(path, `${JSON.stringify(document, undefined, 2)}\n`);
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

/** What a file's failure is to the user: no space, or the file. */
export function fileError(what: string, error: unknown): VsbError {
  return new VsbError(isFull(error) ? 'E_NO_SPACE' : 'E_FILE', `${what}: ${messageOf(error)}`, {
    cause: error,
  });
}
