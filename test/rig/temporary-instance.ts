/** The folders of an instance below a temporary folder, which the caller removes. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { instancePaths, type InstancePaths } from '../../src/state/paths.js';
import { createInstanceDirectories } from '../../src/state/private-folders.js';
import { findRoots } from '../../src/state/roots.js';

export async function temporaryInstance(): Promise<{ directory: string; paths: InstancePaths }> {
  const directory = await mkdtemp(join(tmpdir(), 'vsb-inst-'));
  const roots = findRoots({
    XDG_STATE_HOME: directory,
    XDG_CACHE_HOME: directory,
    XDG_RUNTIME_DIR: directory,
  });
  const paths = instancePaths('default', roots);
  await createInstanceDirectories(paths, roots);
  return { directory, paths };
}
