import { chmod, mkdir, mkdtemp, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { askAndStamp, readStamp, type StampInputs } from '../../src/images/stamp.js';

let directory: string;
let inputs: StampInputs;
let output: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-stamp-'));
  const sources = join(directory, 'images');
  const cacheDir = join(directory, 'cache');
  for (const folder of [join(sources, 'l1'), join(cacheDir, 'l1-1'), join(cacheDir, 'locks')]) {
    await mkdir(folder, { recursive: true });
  }
  await writeFile(join(sources, 'l1', 'packages'), 'busybox\n');
  await symlink('packages', join(sources, 'l1', 'link'));
  await writeFile(join(cacheDir, 'l1-1', 'manifest.json'), '{}');
  await writeFile(join(cacheDir, 'locks', 'l1-1'), 'busybox=1\n');
  inputs = { cacheDir, names: ['l1'], sources };
  output = `l1\t${join(cacheDir, 'l1-1')}\n`;
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const ask = async (): Promise<string> => await Promise.resolve(output);

it('tells what was said, and marks the image as used', async () => {
  expect(await readStamp(inputs)).toBeUndefined();
  expect(await askAndStamp(inputs, ask)).toBe(output);
  const manifest = join(inputs.cacheDir, 'l1-1', 'manifest.json');
  await utimes(manifest, 1, 1);
  expect(await readStamp(inputs)).toBe(output);
  expect((await stat(manifest)).mtimeMs).toBeGreaterThan(1000);
  expect(await readStamp({ ...inputs, names: ['l3'] })).toBeUndefined();
});

it.each([
  ['a source has changed', 'images/l1/packages', 'busybox-static\n'],
  ['a source is new', 'images/l1/contents', '/bin/sh\n'],
  ['packages were resolved anew', 'cache/locks/l1-2', 'busybox=2\n'],
])('tells nothing when %s', async (_, file, content) => {
  await askAndStamp(inputs, ask);
  await writeFile(join(directory, file), content);
  expect(await readStamp(inputs)).toBeUndefined();
});

it('tells nothing when a source can be executed now, or the image is gone', async () => {
  await askAndStamp(inputs, ask);
  await chmod(join(inputs.sources, 'l1', 'packages'), 0o755);
  expect(await readStamp(inputs)).toBeUndefined();
  await askAndStamp(inputs, ask);
  expect(await readStamp(inputs)).toBe(output);
  await rm(join(inputs.cacheDir, 'l1-1'), { recursive: true });
  expect(await readStamp(inputs)).toBeUndefined();
});

it('remembers nothing of sources that change while it is asked', async () => {
  const changing = async (): Promise<string> => {
    await writeFile(join(inputs.sources, 'l1', 'packages'), 'other\n');
    return output;
  };
  expect(await askAndStamp(inputs, changing)).toBe(output);
  expect(await readStamp(inputs)).toBeUndefined();
});
