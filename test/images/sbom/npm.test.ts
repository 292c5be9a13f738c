import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { makeBom } from '../../../src/images/sbom/cyclonedx.js';
import { readNpmLock, runtimePackages } from '../../../src/images/sbom/npm.js';

const root = join(import.meta.dirname, '../../..');
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-npm-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const lockOf = (packages: Record<string, object>): string => JSON.stringify({ packages });

describe('runtimePackages', () => {
  it('finds what Node would find, and nothing that is only for development', async () => {
    const project = join(directory, 'project');
    await mkdir(project);
    await writeFile(
      join(project, 'package-lock.json'),
      lockOf({
        '': { version: '1.0.0', dependencies: { a: '^1' }, devDependencies: { dev: '^1' } },
        'node_modules/a': {
          version: '1.1.0',
          dependencies: { b: '^2', '@s/c': '*' },
          optionalDependencies: { absent: '*' },
        },
        'node_modules/a/node_modules/b': { version: '2.0.0', dependencies: { '@s/c': '*' } },
        'node_modules/b': { version: '1.0.0' },
        'node_modules/@s/c': { version: '3.0.0', peerDependencies: { a: '*' } },
        'node_modules/dev': { version: '9.0.0' },
      }),
    );
    const { lock, self } = await readNpmLock(project);
    expect(runtimePackages(lock, self).map(({ name, version }) => `${name} ${version}`)).toEqual([
      'vsbypass 1.0.0',
      '@s/c 3.0.0',
      'a 1.1.0',
      'b 2.0.0',
    ]);
  });

  it('keeps what each copy of a package finds', async () => {
    await writeFile(
      join(directory, 'package-lock.json'),
      lockOf({
        '': { version: '1.0.0', dependencies: { a: '*', b: '*' } },
        'node_modules/a': { version: '1.0.0', dependencies: { c: '*' } },
        'node_modules/b': { version: '1.0.0', dependencies: { a: '*' } },
        'node_modules/b/node_modules/a': { version: '1.0.0', dependencies: { c: '*' } },
        'node_modules/b/node_modules/c': { version: '2.0.0' },
        'node_modules/c': { version: '1.0.0' },
      }),
    );
    const { lock, self } = await readNpmLock(directory);
    const npm = runtimePackages(lock, self);
    const none = { programHash: '0'.repeat(64), programs: [], libc: undefined, manifests: [] };
    const { dependencies } = makeBom({ npm, ...none });
    expect(dependencies.find(({ ref }) => ref === 'pkg:npm/a@1.0.0')?.dependsOn).toEqual([
      'pkg:npm/c@1.0.0',
      'pkg:npm/c@2.0.0',
    ]);
  });

  it('knows every package of dependencies in package.json, with its hash', async () => {
    const { lock, self } = await readNpmLock(root);
    const found = runtimePackages(lock, self);
    const { dependencies, devDependencies } = JSON.parse(
      await readFile(join(root, 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    const names = found.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(Object.keys(dependencies ?? {})));
    expect(names.filter((name) => devDependencies?.[name] !== undefined)).toEqual([]);
    const none = { programHash: '0'.repeat(64), programs: [], libc: undefined, manifests: [] };
    for (const { hashes } of makeBom({ npm: found, ...none }).components) {
      expect(hashes?.[0]).toMatchObject({ alg: 'SHA-512' });
      expect(hashes?.[0]?.content).toMatch(/^[0-9a-f]{128}$/);
    }
  });
});

describe('readNpmLock', () => {
  it('takes that of the folder in which the program was installed', async () => {
    const installed = join(directory, 'node_modules/vsbypass');
    await mkdir(installed, { recursive: true });
    await writeFile(
      join(directory, 'node_modules/.package-lock.json'),
      lockOf({
        'node_modules/vsbypass': { version: '1.0.0', dependencies: { a: '*' } },
        'node_modules/a': { version: '2.0.0' },
        'node_modules/other': { version: '3.0.0' },
      }),
    );
    const { lock, self } = await readNpmLock(installed);
    expect(runtimePackages(lock, self).map(({ name }) => name)).toEqual(['vsbypass', 'a']);
  });

  it('says what helps where there is none', async () => {
    await expect(readNpmLock(directory)).rejects.toMatchObject({ code: 'E_FILE' });
  });
});
