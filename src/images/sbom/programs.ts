/** The programs that are compiled for the layers when a command needs them: each from sources of its own, linked statically. */
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { execa } from 'execa';

/** Folders of images/programs/, see src/images/programs.ts. */
const folders = ['bench', 'irq-server', 'search'];

export interface ProgramSources {
  readonly name: string;
  readonly sources: readonly { readonly file: string; readonly sha256: string }[];
}

/** @param root of the package of this program */
export async function programSources(root: string): Promise<ProgramSources[]> {
  return await Promise.all(
    folders.map(async (name) => {
      const folder = `images/programs/${name}`;
      const files = (await readdir(join(root, folder))).sort();
      const sources = files.map(async (file) => {
        const content = await readFile(join(root, folder, file));
        return {
          file: `${folder}/${file}`,
          sha256: createHash('sha256').update(content).digest('hex'),
        };
      });
      return { name, sources: await Promise.all(sources) };
    }),
  );
}

export interface InstalledPackage {
  readonly package: string;
  readonly version: string;
  readonly architecture: string;
  readonly source: string;
  readonly sourceVersion: string;
}

/** The C library of this host, which is in each of them; undefined where it is not a package of Debian. */
export async function staticLibrary(signal: AbortSignal): Promise<InstalledPackage | undefined> {
  const fields = ['Package', 'Version', 'Architecture', 'source:Package', 'source:Version'];
  const format = fields.map((field) => `\${${field}}`).join('\t');
  const { stdout, failed } = await execa('dpkg-query', ['-W', '-f', format, 'libc6-dev'], {
    ...{ reject: false, stdin: 'ignore', cancelSignal: signal },
  });
  signal.throwIfAborted();
  const [name, version, architecture, source, sourceVersion] = (stdout ?? '').split('\t');
  if (failed || name === undefined || version === undefined || architecture === undefined) return;
  if (source === undefined || sourceVersion === undefined) return;
  return { package: name, version, architecture, source, sourceVersion };
}
