/** The packages of npm that run with this program, out of npm's own lock file. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { VsbError, messageOf } from '../../base/errors.js';

const names = z.record(z.string(), z.string()).default({});
const entrySchema = z.object({
  version: z.string().optional(),
  /** Subresource Integrity: `algorithm-base64`. */
  integrity: z.string().optional(),
  dependencies: names,
  optionalDependencies: names,
  peerDependencies: names,
});
/** package-lock.json, lockfileVersion 2 and 3: packages by their folder. */
const lockSchema = z.object({ packages: z.record(z.string(), entrySchema) });
export type NpmLock = z.output<typeof lockSchema>;

export interface NpmPackage {
  /** Its folder, as the lock has it. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  readonly integrity?: string;
  /** Folders of the packages that it finds. */
  readonly dependencies: readonly string[];
}

/**
 * The lock of a checkout is beside package.json; where the program was installed, npm keeps one of all
 * that it has put there in the enclosing node_modules.
 *
 * @param root of this program
 * @throws VsbError E_FILE when there is none
 */
export async function readNpmLock(root: string): Promise<{ lock: NpmLock; self: string }> {
  const places = [
    { file: join(root, 'package-lock.json'), self: '' },
    { file: join(root, '../.package-lock.json'), self: 'node_modules/vsbypass' },
  ];
  let cause: unknown;
  for (const { file, self } of places) {
    try {
      return { lock: lockSchema.parse(JSON.parse(await readFile(file, 'utf8'))), self };
    } catch (error) {
      cause ??= error;
    }
  }
  throw new VsbError('E_FILE', `cannot tell which npm packages are used: ${messageOf(cause)}`, {
    hint: 'npm writes the lock file: install with `npm ci` or `npm install`.',
    cause,
  });
}

/** What `self` needs to run, directly or not, by folder; with `self` itself, first. */
export function runtimePackages(lock: NpmLock, self: string): NpmPackage[] {
  const found = new Map<string, NpmPackage>();
  const visit = (path: string): void => {
    const entry = lock.packages[path];
    if (entry === undefined || found.has(path)) return;
    const wanted = {
      ...entry.dependencies,
      ...entry.optionalDependencies,
      ...entry.peerDependencies,
    };
    const dependencies = Object.keys(wanted)
      .map((name) => resolve(lock, path, name))
      // An optional one that was not installed.
      .filter((place) => place !== undefined)
      .sort();
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const { version = '', integrity } = entry;
    const hash = integrity === undefined ? {} : { integrity };
    found.set(path, {
      path,
      name: path === '' ? 'vsbypass' : name,
      version,
      ...hash,
      dependencies,
    });
    for (const dependency of dependencies) visit(dependency);
  };
  visit(self);
  const [own, ...others] = found.values();
  if (own === undefined) throw new VsbError('E_FILE', "npm's lock file does not know vsbypass");
  return [own, ...others.sort((a, b) => (a.path < b.path ? -1 : 1))];
}

/** Where Node finds a package: in the node_modules of the folder, or of one above it. */
function resolve(lock: NpmLock, from: string, name: string): string | undefined {
  for (let folder = from; ;) {
    const candidate = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (lock.packages[candidate] !== undefined) return candidate;
    if (folder === '') return undefined;
    folder = folder.slice(0, Math.max(folder.lastIndexOf('/node_modules/'), 0));
  }
}
