import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { createPrivateFile, exists, replaceFile, writePrivateFile } from '../../src/base/files.js';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-files-'));
  path = join(directory, 'file');
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const modeOf = async (): Promise<number> => (await stat(path)).mode & 0o7777;

it('writePrivateFile replaces a file, and is the only one who can read it', async () => {
  await writeFile(path, 'old', { mode: 0o644 });
  await writePrivateFile(path, 'new');
  expect(await readFile(path, 'utf8')).toBe('new');
  expect(await modeOf()).toBe(0o600);
  expect(await readdir(directory)).toEqual(['file']);
});

it('createPrivateFile leaves what is there', async () => {
  expect(await createPrivateFile(path, 'first')).toBe(true);
  expect(await createPrivateFile(path, 'second')).toBe(false);
  expect(await readFile(path, 'utf8')).toBe('first');
  expect(await modeOf()).toBe(0o600);
  expect(await readdir(directory)).toEqual(['file']);
});

it('replaceFile keeps the mode', async () => {
  await writeFile(path, 'old');
  await chmod(path, 0o640);
  await replaceFile(path, 'new');
  expect(await readFile(path, 'utf8')).toBe('new');
  expect(await modeOf()).toBe(0o640);
});

it('leaves nothing behind where it cannot write', async () => {
  await rm(directory, { recursive: true });
  await expect(writePrivateFile(path, 'new')).rejects.toMatchObject({ code: 'E_FILE' });
  expect(await exists(path)).toBe(false);
});
