import { chmod, cp, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { imagesDirectory } from '../../src/images/build.js';
import { contentKey, tools } from '../../src/images/key.js';
import { runCli } from '../rig/run-cli.js';

let directory: string;
let images: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-key-'));
  images = join(directory, 'images');
  await cp(imagesDirectory, images, { recursive: true });
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const keyOf = async (
  kinds: readonly ('kvm' | 'xen')[] = ['kvm'],
  directory = images,
): Promise<string> => await contentKey({ kinds, signal: new AbortController().signal, directory });

describe('contentKey', () => {
  it('is the same for the same sources, wherever they are', async () => {
    expect(await keyOf()).toBe(await keyOf(['kvm'], imagesDirectory));
    expect(await keyOf()).toMatch(/^[0-9a-f]{32}$/);
  });

  it.each([
    ['a list of packages', () => writeFile(join(images, 'l3/packages'), 'busybox-static\n')],
    ['a new file', () => writeFile(join(images, 'l1/root/new'), '')],
    ['a new link', () => symlink('a', join(images, 'l1/root/new'))],
    ['a file that is gone', () => rm(join(images, 'l3/contents'))],
    ['an execute bit', () => chmod(join(images, 'build'), 0o644)],
    ['a patch', () => writeFile(join(images, 'xen/patches/series'), '')],
  ])('is another one after a change of %s', async (_what, change) => {
    const before = await keyOf();
    await change();
    expect(await keyOf()).not.toBe(before);
  });

  it('knows the tools that images/ itself takes for a part of the keys', async () => {
    const scripts = ['lib/image.sh', 'xen/build'].map(async (name) => {
      const text = await readFile(join(imagesDirectory, name), 'utf8');
      return /^readonly (?:IMAGE_)?TOOLS=\((.+)\)$/m.exec(text)?.[1]?.split(' ') ?? [];
    });
    const named = new Set((await Promise.all(scripts)).flat());
    expect(Object.keys(tools).sort()).toEqual([...named].sort());
  });

  it('depends on what is built', async () => {
    const keys = await Promise.all([keyOf(['kvm']), keyOf(['xen']), keyOf(['kvm', 'xen'])]);
    expect(new Set(keys).size).toBe(3);
  });
});

describe('vsbypass build --key', () => {
  it('prints it, and builds nothing', async () => {
    const { code, stdout, stderr } = await runCli(directory, ['build', '--key', '--l2', 'kvm']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(`${await keyOf(['kvm'], imagesDirectory)}\n`);
    expect(await readdir(directory)).toEqual(['images']);
  });
});
