/** Which images of the cache somebody needs: instances that are not stopped, and saved states. */
import { readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { ImageDirectories } from '../images/build.js';
import { bootFiles } from '../machine/plan.js';
import { listShared } from '../machine/saved/shared.js';
import { listSnapshots } from '../machine/saved/store.js';
import type { InstancePaths } from '../state/paths.js';
import type { Roots } from '../state/roots.js';
import { inspectInstance, listInstances } from './inspect.js';

export interface InUseOptions {
  readonly signal: AbortSignal;
  /** Saved states, `INSTANCE/NAME` or the key of a shared one, that are as good as gone. */
  readonly without?: ReadonlySet<string>;
}

/** Their folders. An instance in doubt (broken, starting) counts as one that runs. */
export async function imagesInUse(roots: Roots, options: InUseOptions): Promise<string[]> {
  const instances = await listInstances(roots);
  const folders = await Promise.all(instances.map(async (paths) => await usedBy(paths, options)));
  const shared = (await listShared(roots.cache))
    .filter(({ key }) => options.without?.has(key) !== true)
    .flatMap(({ images }) => foldersOf(images));
  return [...new Set([...folders.flat(), ...shared])];
}

async function usedBy(paths: InstancePaths, { signal, without }: InUseOptions): Promise<string[]> {
  const states = (await listSnapshots(paths)).filter(
    ({ name }) => without?.has(`${paths.name}/${name}`) !== true,
  );
  const { state } = await inspectInstance(paths, signal);
  const stopped = state === 'stopped' || state === 'absent';
  // A state of an older version does not say what it needs: what was booted last.
  const silent = states.some(({ images }) => images === undefined);
  return [
    ...states.flatMap(({ images }) => foldersOf(images)),
    ...(stopped && !silent ? [] : await booted(paths)),
  ];
}

function foldersOf(images: ImageDirectories | undefined): string[] {
  return images === undefined ? [] : [images.xen, images.l1, images.l2 ?? []].flat();
}

/** The folders that the links in an instance's boot folder lead to. */
async function booted({ bootDir }: InstancePaths): Promise<string[]> {
  const links = [bootFiles.xen, bootFiles.dom0Kernel, bootFiles.l2Disk];
  const targets = await Promise.all(
    links.map(async (name) => await readlink(join(bootDir, name)).catch(() => undefined)),
  );
  return targets.filter((target) => target !== undefined).map((target) => dirname(target));
}
