/** Carries `vsbypass prune` out: saved states first, then what of the cache nobody needs any more. */
import { pruneCache, type CacheEntry } from '../../images/prune.js';
import { imagesInUse } from '../../instance/images-in-use.js';
import { listInstances } from '../../instance/inspect.js';
import { prunableSnapshots, pruneSnapshots } from '../../machine/saved/store.js';
import { findRoots } from '../../state/paths.js';
import type { CliContext } from '../context.js';
import { mebibytes, printJson, printLines, table } from '../output.js';

export interface PruneRequest {
  /** Also states of `snapshot save`. */
  readonly all: boolean;
  readonly dryRun: boolean;
  readonly unusedForDays: number;
  readonly json: boolean;
}

interface RemovedState {
  readonly instance: string;
  readonly name: string;
  readonly bytes: number;
}

/** @throws VsbError E_BUSY while a build is going on; the signal's reason */
export async function prune(context: CliContext, request: PruneRequest): Promise<void> {
  const { all, dryRun, unusedForDays, json } = request;
  const { signal } = context;
  const roots = findRoots();
  const removed: RemovedState[] = [];
  for (const paths of await listInstances(roots)) {
    const gone = await (dryRun ? prunableSnapshots : pruneSnapshots)(paths, all);
    removed.push(...gone.map(({ name, bytes }) => ({ instance: paths.name, name, bytes })));
  }
  const without = new Set(removed.map(({ instance, name }) => `${instance}/${name}`));
  const keep = await imagesInUse(roots, { signal, without });
  const cacheDir = roots.cache;
  const cache = await pruneCache({ cacheDir, signal, keep, dryRun, unusedForDays });
  const bytes = [...removed, ...cache].reduce((sum, one) => sum + one.bytes, 0);
  if (json) printJson(context, { schemaVersion: 1, dryRun, bytes, removed, cache });
  else printLines(context, describe(removed, cache, bytes, dryRun));
}

function describe(
  states: readonly RemovedState[],
  cache: readonly CacheEntry[],
  bytes: number,
  dryRun: boolean,
): string[] {
  return [
    ...table([
      ...states.map((one) => ['state', mebibytes(one.bytes), `${one.instance}/${one.name}`]),
      ...cache.map((one) => [one.kind, mebibytes(one.bytes), one.path]),
    ]),
    `${mebibytes(bytes)} ${dryRun ? 'would be given back' : 'given back'}`,
  ];
}
