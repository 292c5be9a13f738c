/** Carries `vsbypass prune` out: saved states first, then what of the cache nobody needs any more. */
import { pruneCache, type CacheEntry } from '../../images/prune.js';
import { imagesInUse } from '../../instance/images-in-use.js';
import { listInstances } from '../../instance/inspect.js';
import { deleteShared, prunableShared } from '../../machine/saved/shared.js';
import { prunableSnapshots, pruneSnapshots } from '../../machine/saved/store.js';
import { findRoots } from '../../state/roots.js';
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
  const shared = (await prunableShared(roots.cache, unusedForDays)).map(({ key, bytes }) => ({
    key,
    bytes,
  }));
  for (const { key } of dryRun ? [] : shared) await deleteShared(roots.cache, key);
  const without = new Set([...removed.map(nameOf), ...shared.map(({ key }) => key)]);
  const keep = await imagesInUse(roots, { signal, without });
  const cacheDir = roots.cache;
  const cache = await pruneCache({ cacheDir, signal, keep, dryRun, unusedForDays });
  const bytes = [...removed, ...shared, ...cache].reduce((sum, one) => sum + one.bytes, 0);
  if (json) printJson(context, { schemaVersion: 1, dryRun, bytes, removed, shared, cache });
  else {
    const states = [
      ...removed.map((one) => ({ name: nameOf(one), bytes: one.bytes })),
      ...shared.map((one) => ({ name: one.key, bytes: one.bytes })),
    ];
    printLines(context, describe(states, cache, bytes, dryRun));
  }
}

function nameOf({ instance, name }: RemovedState): string {
  return `${instance}/${name}`;
}

function describe(
  states: readonly { readonly name: string; readonly bytes: number }[],
  cache: readonly CacheEntry[],
  bytes: number,
  dryRun: boolean,
): string[] {
  return [
    ...table([
      ...states.map((one) => ['state', mebibytes(one.bytes), one.name]),
      ...cache.map((one) => [one.kind, mebibytes(one.bytes), one.path]),
    ]),
    `${mebibytes(bytes)} ${dryRun ? 'would be given back' : 'given back'}`,
  ];
}
