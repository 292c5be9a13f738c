/** Whether a running virtualized system is what Debian ships. */
import { packageOf, type ListedFile } from './list.js';

export interface StockReport {
  readonly schemaVersion: 1;
  /** Debian's files in it, by package. */
  readonly packages: readonly {
    readonly name: string;
    readonly version: string;
    readonly files: number;
  }[];
  /** Files of packages that are not as they were built in: changed, or gone. */
  readonly changed: readonly { readonly path: string; readonly package: string }[];
  /** Files of the image that no package has: init scripts, the user VM's image, what was unpacked from a package's file. */
  readonly others: readonly string[];
}

/** @param sums of the running system, by path */
export function compare(
  listed: readonly ListedFile[],
  sums: ReadonlyMap<string, string>,
): StockReport {
  const counts = new Map<string, number>();
  const changed: { path: string; package: string }[] = [];
  const others: string[] = [];
  for (const { path, sha256, package: origin } of listed) {
    if (origin === undefined) others.push(path);
    else if (sums.get(path) === sha256) counts.set(origin, (counts.get(origin) ?? 0) + 1);
    else changed.push({ path, package: origin });
  }
  const packages = [...counts].map(([file, files]) => ({ ...packageOf(file), files }));
  return {
    schemaVersion: 1,
    packages: packages.sort((a, b) => a.name.localeCompare(b.name)),
    changed,
    others,
  };
}
