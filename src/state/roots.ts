/** Where the folders of all instances are, from the environment. */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';

import envPaths from 'env-paths';

export interface Roots {
  /** Parent of all instances' state folders. */
  readonly instances: string;
  readonly cache: string;
  /** Parent of the folders for sockets of instances whose state folder cannot have them. */
  readonly runtime: string;
}

/** Whether `path` is a folder of ours that nobody else can enter or replace: not a link, our uid, no group or other bits. */
function isPrivateDirectory(path: string, uid: number): boolean {
  try {
    const found = lstatSync(path);
    return found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0;
  } catch {
    return false;
  }
}

/**
 * Finds the three roots from the environment. The runtime root is `$XDG_RUNTIME_DIR/vsbypass`, else
 * `/run/user/<uid>/vsbypass`, both only if the folder is private to us; else `/tmp/vsbypass-<uid>`,
 * which `ensurePrivateDirectory` verifies before it is used.
 */
export function findRoots(
  env: NodeJS.ProcessEnv = process.env,
  uid: number = process.getuid?.() ?? 0,
): Roots {
  const defaults = envPaths('vsbypass', { suffix: '' });
  const runtimeParents = [env['XDG_RUNTIME_DIR'], `/run/user/${uid}`];
  const runtimeParent = runtimeParents.find(
    (path) => path !== undefined && path.startsWith('/') && isPrivateDirectory(path, uid),
  );
  // env-paths reads the environment of the process only; an explicit one wins, for tests and for callers.
  const state = env['XDG_STATE_HOME']?.startsWith('/')
    ? join(env['XDG_STATE_HOME'], 'vsbypass')
    : defaults.log;
  const cache = env['XDG_CACHE_HOME']?.startsWith('/')
    ? join(env['XDG_CACHE_HOME'], 'vsbypass')
    : defaults.cache;
  return {
    instances: join(state, 'instances'),
    cache,
    runtime: runtimeParent === undefined ? `/tmp/vsbypass-${uid}` : join(runtimeParent, 'vsbypass'),
  };
}
