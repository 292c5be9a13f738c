import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

/** What `npm pack` would take, from the compiled program as it is. */
async function packed(): Promise<string[]> {
  const words = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const { stdout } = await run('npm', words, { cwd: root });
  const [first] = JSON.parse(stdout) as { files: { path: string }[] }[];
  return first?.files.map(({ path }) => path) ?? [];
}

it('the package has all that builds the images, and no links, which npm leaves out', async () => {
  const { stdout } = await run('git', ['ls-files', 'images'], { cwd: root });
  const files = await packed();
  expect(
    stdout
      .trim()
      .split('\n')
      .filter((path) => !files.includes(path)),
  ).toEqual([]);
});

it('the package has the program, its types, examples and texts, and nothing else', async () => {
  const files = await packed();
  expect(files).toEqual(
    expect.arrayContaining([
      'bin/vsbypass.js',
      'dist/index.js',
      'dist/index.d.ts',
      'examples/login.mjs',
      'README.md',
      'LICENSE',
    ]),
  );
  const allowed =
    /^(?:(?:bin|dist|docs|examples|images|schemas|src\/web\/page)\/|(?:README\.md|LICENSE|package\.json)$)/;
  expect(files.filter((path) => !allowed.test(path))).toEqual([]);
  expect(files.filter((path) => /\.(?:map|log|tsbuildinfo)$|(?:^|\/)\.git/.test(path))).toEqual([]);
});

it('what the package exports is there', async () => {
  const files = await packed();
  const { exports } = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as {
    exports: { '.': Record<string, string> };
  };
  for (const path of Object.values(exports['.'])) expect(files).toContain(path.replace('./', ''));
});
