/** `vsbypass build --key`: one hash of all that decides what is built, for caches that are kept by content. */
import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { readFile, readdir, readlink, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

import { execa } from 'execa';

import type { L2Kind } from '../config/schema.js';
import { imageNames, imagesDirectory, namesIn } from './build.js';

/** Programs of this host whose versions are part of the images' own keys, and how they tell theirs. */
export const tools: Readonly<Record<string, string>> = {
  gcc: '--version',
  ld: '--version',
  cpio: '--version',
  mksquashfs: '-version',
  'grub-mkimage': '--version',
  gzip: '--version',
};

const toolLimitMs = 10_000;
const executable = 0o100;
const digits = 32;

export interface KeyInputs {
  readonly kinds: readonly L2Kind[];
  readonly signal: AbortSignal;
  /** images/, for tests. */
  readonly directory?: string;
}

/**
 * Hashes the sources and lists of packages of all images (paths, contents, execute bits), the versions of the tools, and
 * the release of the distribution. Which versions of the packages a first build takes is the archive's to say: later
 * builds from the same cache take the same.
 *
 * @returns hexadecimal digits. Builds nothing and takes well under a second
 * @throws the signal's reason
 */
export async function contentKey(inputs: KeyInputs): Promise<string> {
  const { kinds, signal, directory = imagesDirectory } = inputs;
  const parts = await Promise.all([
    hashTree(directory),
    readFile('/etc/os-release', 'utf8').catch(() => ''),
    ...Object.entries(tools).map(async ([tool, flag]) => await versionOf(tool, flag, signal)),
  ]);
  signal.throwIfAborted();
  const names = [...new Set(kinds.flatMap((kind) => namesIn(imageNames(kind))))];
  const hash = createHash('sha256');
  for (const part of [...names.sort(), ...parts]) hash.update(`${part}\0`);
  return hash.digest('hex').slice(0, digits);
}

async function hashTree(directory: string): Promise<string> {
  return await describeTree(directory, async (path, name, entry) => {
    if (entry.isSymbolicLink()) return `${name} -> ${await readlink(path)}`;
    const mode = ((await stat(path)).mode & executable) === 0 ? '-' : 'x';
    const content = createHash('sha256').update(await readFile(path));
    return `${name} ${mode} ${content.digest('hex')}`;
  });
}

/**
 * A line for each file of a tree, sorted.
 *
 * @param line gets the path and the name below the directory
 */
export async function describeTree(
  directory: string,
  line: (path: string, name: string, entry: Dirent) => Promise<string>,
): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const lines = await Promise.all(
    entries
      .filter((entry) => !entry.isDirectory())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        return await line(path, relative(directory, path), entry);
      }),
  );
  return lines.sort().join('\n');
}

/** The first line; nothing of a tool that is not there. */
async function versionOf(tool: string, flag: string, signal: AbortSignal): Promise<string> {
  const { stdout } = await execa(tool, [flag], {
    ...{ reject: false, stdin: 'ignore', timeout: toolLimitMs, cancelSignal: signal },
  });
  return `${tool}: ${(stdout ?? '').split('\n')[0] ?? ''}`;
}
