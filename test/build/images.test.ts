import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { buildImages, imageNames, parseDirectories } from '../../src/build/images.js';
import { VsbError } from '../../src/errors/index.js';

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

describe('imageNames', () => {
  it('are those of the kind of L2', () => {
    expect(imageNames('kvm')).toEqual({ xen: 'xen', l1: 'l1', l2: 'l1-disk' });
    expect(imageNames('xen')).toEqual({ xen: 'xen', l1: 'l1-hvm', l2: 'l2-xen' });
  });
});
