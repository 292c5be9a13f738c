import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  checkCacheSize,
  checkImages,
  checkNesting,
  checkOpenFiles,
  checkPort,
} from '../../src/instance/diagnose.js';
import { findRoots } from '../../src/state/paths.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-diag-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('checkImages', () => {
  it('compares every file with its manifest', async () => {
    const image = join(directory, 'l1-abc');
    await mkdir(image);
    await writeFile(join(image, 'initrd'), 'content');
    const sha256 = createHash('sha256').update('content').digest('hex');
    const manifest = { outputs: [{ file: 'initrd', sha256 }] };
    await writeFile(join(image, 'manifest.json'), JSON.stringify(manifest));
    expect(await checkImages(directory)).toMatchObject({ result: 'pass' });
    await writeFile(join(image, 'initrd'), 'c0ntent');
    expect(await checkImages(directory)).toMatchObject({
      result: 'fail',
      found: `not what was built: ${join(image, 'initrd')}`,
      remedy: `rm -r ${image} && vsbypass build`,
    });
    await writeFile(join(image, 'manifest.json'), '{');
    expect(await checkImages(directory)).toMatchObject({ result: 'fail' });
  });

  it('says that nothing was built', async () => {
    expect(await checkImages(join(directory, 'none'))).toMatchObject({ result: 'warn' });
  });
});

describe('checkCacheSize', () => {
  it('says when it is time to prune', async () => {
    const image = join(directory, 'vsbypass', `l3-${'0'.repeat(16)}`);
    await mkdir(image, { recursive: true });
    await writeFile(join(image, 'initrd'), Buffer.alloc(3 * 1_048_576, 1));
    const roots = findRoots({ XDG_CACHE_HOME: directory, XDG_STATE_HOME: directory });
    const { signal } = new AbortController();
    const found = `3 MiB in ${roots.cache}`;
    expect(await checkCacheSize(roots, signal)).toMatchObject({ result: 'pass', found });
    expect(await checkCacheSize(roots, signal, 3)).toMatchObject({
      ...{ result: 'warn', found, remedy: 'vsbypass prune' },
    });
  });
});

describe('checkNesting', () => {
  it.each([
    ['1\n', 'pass'],
    ['Y\n', 'pass'],
    ['0\n', 'warn'],
  ])('reads %j as %s', async (value, result) => {
    const parameters = join(directory, 'kvm_amd', 'parameters');
    await mkdir(parameters, { recursive: true });
    await writeFile(join(parameters, 'nested'), value);
    expect((await checkNesting(directory)).result).toBe(result);
  });

  it('is skipped without KVM', async () => {
    expect((await checkNesting(directory)).result).toBe('skip');
  });
});

describe('checkPort', () => {
  it('finds a port that is taken', async () => {
    expect((await checkPort(0)).result).toBe('skip');
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    expect(await checkPort(port)).toMatchObject({
      result: 'warn',
      found: `127.0.0.1:${port}: EADDRINUSE`,
    });
    server.close();
    await once(server, 'close');
    expect((await checkPort(port)).result).toBe('pass');
  });
});

describe('checkOpenFiles', () => {
  it.each([
    ['1024', 'pass'],
    ['unlimited', 'pass'],
    ['64', 'fail'],
  ])('%s: %s', async (soft, result) => {
    const limits = join(directory, 'limits');
    await writeFile(
      limits,
      `Limit  Soft Limit\nMax open files            ${soft}   4096   files\n`,
    );
    expect((await checkOpenFiles(limits)).result).toBe(result);
  });
});
