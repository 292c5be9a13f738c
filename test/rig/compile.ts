/**
 * Compiles sources as they are now, without checking them: a test that runs the page must
 * not see an older build.
 */
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

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

/** Compiles a folder of `src` into another one; JavaScript in it is copied. */
export async function compileFolder(from: string, to: string): Promise<void> {
  for (const entry of await readdir(join(root, from), { recursive: true, withFileTypes: true })) {
    const source = join(entry.parentPath, entry.name);
    const target = join(to, source.slice(join(root, from).length));
    if (!entry.isFile() || entry.name.endsWith('.d.mts')) continue;
    await mkdir(dirname(target), { recursive: true });
    if (entry.name.endsWith('.js')) await copyFile(source, target);
    if (!entry.name.endsWith('.ts')) continue;
    await writeFile(target.replace(/\.ts$/, '.js'), compile(await readFile(source, 'utf8')));
  }
}
