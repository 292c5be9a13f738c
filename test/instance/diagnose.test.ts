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
import { findRoots } from '../../src/state/roots.js';

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
  async function load(name: string, parameters: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(join(directory, name, 'parameters'), { recursive: true });
    for (const [parameter, value] of Object.entries(parameters)) {
      await writeFile(join(directory, name, 'parameters', parameter), `${value}\n`);
    }
    await writeFile(join(directory, name, 'initstate'), 'live\n');
  }

  it.each([
    ['1', 'Y', 'pass', 'kvm_amd.nested is on', undefined],
    ['Y', '1', 'pass', 'kvm_amd.nested is on', undefined],
    ['0', 'Y', 'warn', 'kvm_amd.nested is off', 'nested=1'],
    ['1', 'N', 'warn', 'kvm_amd.npt is off', 'npt=1'],
    ['0', 'N', 'warn', 'kvm_amd.nested is off, kvm_amd.npt is off', 'nested=1 npt=1'],
  ])('reads nested=%s npt=%s as %s', async (nested, npt, result, found, parameters) => {
    await load('kvm_amd', { nested, npt });
    const remedy =
      parameters === undefined
        ? undefined
        : `As root, while no VM runs: modprobe -r kvm_amd && modprobe kvm_amd ${parameters}`;
    expect(await checkNesting(directory)).toMatchObject({ result, found });
    expect((await checkNesting(directory)).remedy).toBe(remedy);
  });

  it.each(['Y', 'N'])(
    'advises nothing on Intel with nested=%s, where nothing helps',
    async (nested) => {
      await load('kvm_intel', { nested });
      const check = await checkNesting(directory);
      expect(check).toMatchObject({
        result: 'skip',
        found: 'kvm_intel is used only where --cpu intel asks for it',
      });
      expect(check.remedy).toBeUndefined();
    },
  );

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
