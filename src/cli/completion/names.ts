/** The names that completion offers, read from the files of the instances: no daemon is asked, nothing fails. */
import { readdir } from 'node:fs/promises';

import { layerNames } from '../../state/logs/layers.js';
import { instancePaths } from '../../state/paths.js';
import { findRoots, type Roots } from '../../state/roots.js';
import { readRecord } from '../../state/record.js';
import type { NameSources } from './words.js';

export function nameSources(roots: Roots = findRoots()): NameSources {
  return {
    instances: async () => await readdir(roots.instances).catch(() => []),
    vms: async (instance) => {
      try {
        const record = await readRecord(instancePaths(instance, roots));
        const { vms = [], consoles = [] } = record?.config ?? {};
        return [...vms, ...consoles].map(({ name }) => name);
      } catch {
        // A name that cannot be one, or a damaged file: other commands say so.
        return [];
      }
    },
    layers: () => Promise.resolve(layerNames),
  };
}
