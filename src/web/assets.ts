/**
 * The files of the page, read once: our own, and those of xterm.js as its packages have them. Nothing else
 * can be asked for: a request path is looked up here and never becomes a file name.
 */
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { installed } from '../base/installation.js';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

const types = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

/** Where the build puts the page's compiled scripts. */
const compiledScripts = installed('dist/web/page');

/** Request path, package, file in it, type. */
const vendored = [
  ['/page/vendor/xterm.mjs', '@xterm/xterm', 'lib/xterm.mjs', types.js],
  ['/page/vendor/xterm.css', '@xterm/xterm', 'css/xterm.css', types.css],
  ['/page/vendor/addon-fit.mjs', '@xterm/addon-fit', 'lib/addon-fit.mjs', types.js],
  ['/page/vendor/addon-search.mjs', '@xterm/addon-search', 'lib/addon-search.mjs', types.js],
  [
    '/page/vendor/addon-unicode11.mjs',
    '@xterm/addon-unicode11',
    'lib/addon-unicode11.mjs',
    types.js,
  ],
] as const;

/**
 * Reads them.
 * @param scripts folder of the page's compiled scripts
 * @returns the asset of each request path
 */
export async function loadAssets(scripts = compiledScripts): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>();
  const add = async (path: string, file: string, type: string): Promise<void> => {
    assets.set(path, { type, body: await readFile(file) });
  };
  const page = installed('src/web/page');
  await add('/', join(page, 'index.html'), types.html);
  await add('/page.css', join(page, 'page.css'), types.css);
  await add('/icon.svg', join(page, 'icon.svg'), types.svg);
  for (const name of await readdir(scripts)) {
    if (name.endsWith('.js')) await add(`/page/${name}`, join(scripts, name), types.js);
  }
  const require = createRequire(import.meta.url);
  for (const [path, name, file, type] of vendored) {
    await add(path, join(dirname(require.resolve(`${name}/package.json`)), file), type);
  }
  return assets;
}
