/** Where this program is installed, or checked out: the folder of package.json, bin, images and dist. */
import { fileURLToPath } from 'node:url';

/**
 * @param path below it, with `/`
 * @returns an absolute path. A module asks by its own place only here: in the bundle (scripts/bundle.mjs) it is in another one.
 */
export function installed(path = ''): string {
  // As deep in src as in dist, and in the bundle.
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}
