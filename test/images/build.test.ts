import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { buildImages, imageNames, parseDirectories, whereImages } from '../../src/images/build.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-build-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function fakeBuild(script: string): Promise<string> {
  const program = join(directory, 'build');
  await writeFile(program, `#!/bin/bash\n${script}\n`);
  await chmod(program, 0o755);
  return program;
}
const all = "printf 'xen\\t/x\\nl1\\t/l\\nl1-disk\\t/d\\n'";

describe('buildImages', () => {
  it('hands the progress on and returns the folders', async () => {
    const lines: string[] = [];
    const images = await buildImages('kvm', {
      program: await fakeBuild(`echo "images: $*" >&2; ${all}`),
      cacheDir: '/cache dir',
      signal: new AbortController().signal,
      onProgress: (line) => lines.push(line),
    });
    expect(images).toEqual({ xen: '/x', l1: '/l', l2: '/d' });
    expect(lines).toEqual(['images: xen l1 l1-disk --cache /cache dir']);
  });

  it.each([
    ['xen', 'L1', "Debian's source package xen 4.17"],
    ['l1-hvm', 'L1', "apt's lists of packages"],
    ['l2-kvm', 'L2', `3 of 130 Debian packages: ${'liblong=1 '.repeat(60)}lib=1`],
    ['l3', 'L3', '1 of 40 Debian packages: busybox-static=1:1.35'],
  ])('offline: says of %s, a part of %s, what is missing', async (image, layer, missing) => {
    const line = `images: error: ${image}: not in the cache, and --offline forbids to fetch it: ${missing}`;
    const failure: unknown = await buildImages('kvm', {
      program: await fakeBuild(
        `[[ $* == *' --offline' ]] || exit 1; echo "${line}" >&2; echo later >&2; exit 4`,
      ),
      cacheDir: '/c',
      offline: true,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'E_NOT_CACHED', exitCode: 3, layer });
    const { message, hint, details } = failure as VsbError;
    expect(message).toContain(`${layer}: ${image} cannot be built offline`);
    expect(message).toContain(missing.slice(0, 100));
    expect(message.length).toBeLessThan(300);
    expect(hint).toContain('vsbypass build');
    expect(details).toEqual({ image, missing });
  });

  it('fails with the last lines', async () => {
    const program = await fakeBuild('for i in $(seq 30); do echo "line $i" >&2; done; exit 3');
    const options = {
      program,
      cacheDir: '/c',
      signal: new AbortController().signal,
    } as const;
    const failure = await buildImages('kvm', { ...options, onProgress: () => undefined }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'E_BUILD', exitCode: 3 });
    expect((failure as VsbError).details?.['lastLines']).toHaveLength(20);
  });

  it('ends the whole process group when it is aborted', async () => {
    const abort = new AbortController();
    const pidFile = join(directory, 'pid');
    const building = buildImages('kvm', {
      program: await fakeBuild(`sleep 60 & echo $! > ${pidFile}; echo started >&2; wait`),
      cacheDir: '/c',
      signal: abort.signal,
      onProgress: () => abort.abort(new VsbError('E_INTERRUPTED', 'Ctrl-C')),
    });
    await expect(building).rejects.toMatchObject({ code: 'E_INTERRUPTED' });
    const pid = Number(await readFile(pidFile, 'utf8'));
    await expect
      .poll(async () => await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''))
      .toBe('');
  });
});

describe('parseDirectories', () => {
  it('says which image is missing', () => {
    const output = 'xen\t/x\nl1\t/l\n';
    expect(() => parseDirectories(output, imageNames('kvm'))).toThrow(/l1-disk/);
  });
});

describe('whereImages', () => {
  it('builds nothing, and leaves out what is not told of', async () => {
    const where = await whereImages(['xen', 'l3'], {
      program: await fakeBuild(`echo "$*" >&2; printf 'xen\\t/with\\ttab\\n'`),
      cacheDir: '/c',
      refresh: true,
      signal: new AbortController().signal,
      onProgress: (line) => expect(line).toBe('xen l3 --cache /c --where'),
    });
    expect([...where]).toEqual([['xen', '/with\ttab']]);
  });
});

describe('imageNames', () => {
  it('are those of the kind of L2', () => {
    expect(imageNames('kvm')).toEqual({ xen: 'xen', l1: 'l1', l2: 'l1-disk' });
    expect(imageNames('xen')).toEqual({ xen: 'xen', l1: 'l1-hvm', l2: 'l2-xen' });
  });
});
