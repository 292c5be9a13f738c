/** Compiles the page's scripts as they are now, without checking them: a test must not see an older build. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

const page = fileURLToPath(new URL('../../src/web/page', import.meta.url));

const compiled = new Map<string, string>();

/** The same for the same source: each test has a folder of its own, and what is in it seldom changes. */
function compile(source: string): string {
  const before = compiled.get(source);
  if (before !== undefined) return before;
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
  });
  compiled.set(source, outputText);
  return outputText;
}

/** Into a folder that is there. */
export async function compilePage(folder: string): Promise<void> {
  for (const name of await readdir(page)) {
    if (!name.endsWith('.ts')) continue;
    const script = compile(await readFile(join(page, name), 'utf8'));
    await writeFile(join(folder, name.replace(/\.ts$/, '.js')), script);
  }
}
