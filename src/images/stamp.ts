/**
 * Remembers what images/build has said, for as long as nothing has changed that decides it: to ask it takes a second or two,
 * since it hashes all sources and starts every tool. The stamp is as good as the times and sizes of files are, as with make.
 */
import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, realpath, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { z } from 'zod';

import { readJson, writePrivateJson } from '../base/files.js';
import { findProgram } from '../host/requirements.js';
import { describeTree, tools } from './key.js';
import { readManifest } from './manifest.js';

const stampSchema = z.object({
  witness: z.string(),
  /** What images/build printed. */
  output: z.string(),
  /** Folders that it named, with the images that are a part of those. */
  directories: z.array(z.string()),
});

export interface StampInputs {
  readonly cacheDir: string;
  /** Names of images/build, in order. */
  readonly names: readonly string[];
  /** images/ */
  readonly sources: string;
}

/** What images/build would print, if that is known; the images count as used then, as by a build. */
export async function readStamp(inputs: StampInputs): Promise<string | undefined> {
  const stamp = await readJson(stampFile(inputs), stampSchema).catch(() => undefined);
  if (stamp === undefined || stamp.witness !== (await witnessOf(inputs))) return undefined;
  const now = new Date();
  const manifests = stamp.directories.map((directory) => join(directory, 'manifest.json'));
  const used = [stampFile(inputs), ...manifests].map(async (file) => await utimes(file, now, now));
  const all = await Promise.allSettled(used);
  return all.every(({ status }) => status === 'fulfilled') ? stamp.output : undefined;
}

/**
 * Asks, and remembers the answer unless the sources have changed meanwhile.
 *
 * @param ask returns what images/build prints: `name<TAB>directory` lines
 */
export async function askAndStamp(
  inputs: StampInputs,
  ask: () => Promise<string>,
): Promise<string> {
  const before = await sourcesOf(inputs.sources);
  const output = await ask();
  const named = output.split('\n').flatMap((line) => line.split('\t').slice(1));
  const directories = await withParts(inputs.cacheDir, named);
  if (before !== (await sourcesOf(inputs.sources))) return output;
  const file = stampFile(inputs);
  await mkdir(dirname(file), { recursive: true });
  await writePrivateJson(file, { witness: await witnessOf(inputs), output, directories });
  return output;
}

function stampFile({ cacheDir, names, sources }: StampInputs): string {
  const hash = createHash('sha256').update([sources, ...names].join('\0')).digest('hex');
  return join(cacheDir, 'stamps', `${hash.slice(0, 16)}.json`);
}

/** The folders, and those of the images in them. */
async function withParts(cacheDir: string, directories: readonly string[]): Promise<string[]> {
  const all = new Set(directories);
  // What is added is looked at, too.
  for (const directory of all) {
    const { images = [] } = (await readManifest(directory).catch(() => undefined)) ?? {};
    for (const { image, key } of images) all.add(join(cacheDir, `${image}-${key}`));
  }
  return [...all];
}

/** All that images/build goes by: beside its sources, packages that were resolved, sources that were fetched. */
async function witnessOf({ cacheDir, sources }: StampInputs): Promise<string> {
  const parts = await Promise.all([
    sourcesOf(sources),
    // A use sets the time of these; what is in them never changes under one name, but with the file.
    ...['locks', 'xen-source', 'bochs-source'].map(async (folder) => await namesIn(join(cacheDir, folder))),
  ]);
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}

/** Its own files, the tools, the distribution. */
async function sourcesOf(directory: string): Promise<string> {
  const parts = await Promise.all([
    treeOf(directory),
    identityOf('/etc/os-release'),
    ...Object.keys(tools).map(async (tool) => await identityOf((await findProgram(tool)) ?? tool)),
  ]);
  return parts.join('\n');
}

async function treeOf(directory: string): Promise<string> {
  return await describeTree(directory, async (path, name) => {
    const { mode, size, mtimeNs, ctimeNs, ino } = await lstat(path, { bigint: true });
    return [name, mode, size, mtimeNs, ctimeNs, ino].join(' ');
  });
}

/** Of the file itself, where a link leads to it. */
async function identityOf(path: string): Promise<string> {
  try {
    const real = await realpath(path);
    const { size, mtimeNs, ino } = await stat(real, { bigint: true });
    return [real, size, mtimeNs, ino].join(' ');
  } catch {
    return `${path} is not there`;
  }
}

async function namesIn(directory: string): Promise<string> {
  const names = (await readdir(directory).catch(() => [])).sort();
  const lines = names.map(async (name) => {
    const found = await stat(join(directory, name), { bigint: true }).catch(() => undefined);
    return [name, found?.size, found?.ino].join(' ');
  });
  return (await Promise.all(lines)).join('\n');
}
