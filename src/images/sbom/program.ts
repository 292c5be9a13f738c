/** The files of this program as one hash. */
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** What runs: the rest of the package is texts, types and images/, whose files are listed one by one. */
const folders = ['bin', 'dist', 'src/web/page'];

/**
 * SHA-256 of what `find bin dist src/web/page -type f | LC_ALL=C sort | xargs sha256sum` prints.
 *
 * @param root of the package
 */
export async function programHash(root: string): Promise<string> {
  const paths: string[] = [];
  for (const folder of folders) {
    for (const entry of await readdir(join(root, folder), {
      recursive: true,
      withFileTypes: true,
    })) {
      if (entry.isFile()) paths.push(relative(root, join(entry.parentPath, entry.name)));
    }
  }
  const hash = createHash('sha256');
  for (const path of paths.sort(byBytes)) {
    const content = await readFile(join(root, path));
    hash.update(`${createHash('sha256').update(content).digest('hex')}  ${path}\n`);
  }
  return hash.digest('hex');
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
