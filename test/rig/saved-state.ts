/** Saved states on disk that nobody can resume: what lists and prunes states needs no more. */
import { writeFile } from 'node:fs/promises';

import { parseConfig } from '../../src/config/load.js';
import { tcgCpuModel } from '../../src/host/cpu-model.js';
import type { ImageDirectories } from '../../src/images/build.js';
import { bindingSchema, type Binding } from '../../src/machine/saved/binding.js';
import type { NewState } from '../../src/machine/saved/folder.js';
import type { Runs } from '../../src/machine/saved/runs.js';
import { sharedKey, writeShared } from '../../src/machine/saved/shared.js';
import { writeSnapshot } from '../../src/machine/saved/store.js';
import type { InstancePaths } from '../../src/state/paths.js';

/** What a state that can be resumed is made of. */
export const machine = {
  config: parseConfig('{}', 'f'),
  accel: { accel: 'tcg', vendor: 'amd', why: '', cpu: tcgCpuModel() },
  images: { xen: '/x-1', l1: '/l-1', l2: '/d-1' },
} as const;

/** Its user VM ran, as after a boot. */
export const runs: Runs = { running: ['vm1'], wanted: ['vm1'], hooks: {}, irq: 'direct' };

/** @param images that it needs; undefined: it does not say so, as those of older versions */
export async function writeSavedState(
  paths: InstancePaths,
  name: string,
  images: ImageDirectories | undefined,
): Promise<void> {
  await writeSnapshot(paths, stateOf(name, bindingTo('x'), images));
}

/** @param maker stands for all that a state is bound to */
export async function writeSharedState(
  cacheDir: string,
  maker: string,
  images?: ImageDirectories,
): Promise<string> {
  const binding = bindingTo(maker);
  const key = sharedKey(binding);
  await writeShared(cacheDir, key, stateOf('warm', binding, images));
  return key;
}

export function bindingTo(maker: string): Binding {
  return bindingSchema.parse(
    Object.fromEntries(Object.keys(bindingSchema.shape).map((key) => [key, maker])),
  );
}

/** One that nobody can resume. */
export function stateOf(
  name: string,
  binding: Binding,
  images: ImageDirectories | undefined,
): NewState {
  return {
    snapshot: {
      schemaVersion: 1,
      name,
      createdAt: new Date().toISOString(),
      binding,
      config: machine.config,
      runs,
      uuids: {},
      ...(images === undefined ? {} : { images }),
    },
    access: {
      management: { privatePem: '', publicLine: '' },
      l1Host: '',
      l2Host: '',
      passwords: {},
    },
    fill: async (file) => {
      await writeFile(file, 'state');
      return [];
    },
  };
}
