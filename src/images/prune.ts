/** Runs images/prune, which finds what of the cache is of no use, and removes it. */
import { join } from 'node:path';

import { execa } from 'execa';

import { VsbError } from '../base/errors.js';
import { cacheKinds } from '../contract/cache.js';
import { imagesDirectory } from './build.js';

export interface CacheEntry {
  readonly kind: (typeof cacheKinds)[number];
  readonly path: string;
  readonly bytes: number;
}

export interface CachePruneOptions {
  readonly cacheDir: string;
  readonly signal: AbortSignal;
  /** Folders of images that must stay. */
  readonly keep: readonly string[];
  /** Nothing is removed. */
  readonly dryRun: boolean;
  /** What was used within so many days stays; 0: within the last hour. */
  readonly unusedForDays?: number;
  /** The program, for tests. */
  readonly program?: string;
}

const busy = 5;

/** @returns what was of no use. @throws VsbError E_BUSY while a build is going on, E_BUILD; the signal's reason */
export async function pruneCache(options: CachePruneOptions): Promise<CacheEntry[]> {
  const { cacheDir, signal, keep, dryRun, unusedForDays = 0 } = options;
  const result = await execa(
    options.program ?? join(imagesDirectory, 'prune'),
    [
      ...['--cache', cacheDir, '--unused-for', String(unusedForDays)],
      ...(dryRun ? ['--dry-run'] : []),
      ...keep.flatMap((directory) => ['--keep', directory]),
    ],
    { stdin: 'ignore', reject: false, cancelSignal: signal },
  );
  signal.throwIfAborted();
  if (result.exitCode === busy) {
    throw new VsbError('E_BUSY', `a build is going on in ${cacheDir}`, {
      layer: 'host',
      hint: 'Try again when it has ended.',
    });
  }
  if (result.exitCode !== 0) {
    throw new VsbError('E_BUILD', `cannot prune the cache: ${result.stderr.trim()}`, {
      layer: 'host',
    });
  }
  return parseEntries(result.stdout);
}

/** Reads `kind<TAB>bytes<TAB>path` lines; a kind that is not known here is a leftover. */
export function parseEntries(output: string): CacheEntry[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name, bytes, ...path] = line.split('\t');
      const kind = cacheKinds.find((known) => known === name) ?? 'leftover';
      return { kind, bytes: Number(bytes), path: path.join('\t') };
    });
}
