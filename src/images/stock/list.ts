/** The list that images/build makes of an image's files (images/lib/stock.sh), and what a running system has of them. */

export interface ListedFile {
  readonly path: string;
  readonly sha256: string;
  /** File name of the Debian package that it is from; undefined for what is not Debian's. */
  readonly package?: string;
}

/** `sha256 path package` lines, tab separated. */
export function parseList(text: string): ListedFile[] {
  return lines(text).map((line) => {
    const [sha256 = '', path = '', origin = '-'] = line.split('\t');
    return { path, sha256, ...(origin === '-' ? {} : { package: origin }) };
  });
}

/** The output of sha256sum(1): hashes by path. */
export function parseSums(text: string): Map<string, string> {
  return new Map(lines(text).map((line) => [line.slice(66), line.slice(0, 64)]));
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** A Debian package's name and version out of its file name (deb(5), `name_version_architecture.deb`). */
export function packageOf(file: string): { readonly name: string; readonly version: string } {
  const [name = file, version = ''] = file.split('_');
  return { name, version: decodeURIComponent(version) };
}
