/** A saved state on disk that nobody can resume: what lists and prunes states needs no more. */
import { writeFile } from 'node:fs/promises';

import { parseConfig } from '../../src/config/load.js';
import type { ImageDirectories } from '../../src/images/build.js';
import { bindingSchema } from '../../src/machine/saved/binding.js';
import { writeSnapshot } from '../../src/machine/saved/store.js';
import type { InstancePaths } from '../../src/state/paths.js';

/** @param images that it needs; undefined: it does not say so, as those of older versions */
export async function writeSavedState(
  paths: InstancePaths,
  name: string,
  images: ImageDirectories | undefined,
): Promise<void> {
  const binding = Object.fromEntries(Object.keys(bindingSchema.shape).map((key) => [key, 'x']));
  await writeSnapshot(
    paths,
    {
      schemaVersion: 1,
      name,
      createdAt: new Date().toISOString(),
      binding: bindingSchema.parse(binding),
      config: parseConfig('{}', 'f'),
      ...(images === undefined ? {} : { images }),
    },
    { management: { privatePem: '', publicLine: '' }, l1Host: '', l2Host: '', passwords: {} },
    async (file) => await writeFile(file, 'state'),
  );
}
