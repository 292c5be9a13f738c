import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { imagesDirectory, whereImages } from '../../src/images/build.js';
import { parseEntries, pruneCache, type CacheEntry } from '../../src/images/prune.js';

let directory: string;
let cacheDir: string;
const { signal } = new AbortController();
const stale = '0123456789abcdef';
const hour = 3600;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-prune-'));
  // By another name: what a process has open is known by the folder's real one.
  cacheDir = join(directory, 'link');
  await mkdir(join(directory, 'cache'));
  await symlink('cache', cacheDir);
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** A file that was last used so many seconds ago, with its folder. */
async function file(path: string, ago = 2 * hour, content = 'x'): Promise<string> {
  const full = join(cacheDir, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, content);
  const time = Date.now() / 1000 - ago;
  await utimes(full, time, time);
  if (dirname(path) !== '.') await utimes(dirname(full), time, time);
  return full;
}

async function prune(options: Partial<Parameters<typeof pruneCache>[0]> = {}): Promise<string[]> {
  const entries = await pruneCache({ cacheDir, signal, keep: [], dryRun: false, ...options });
  return entries.map(({ kind, path }) => `${kind} ${path.slice(cacheDir.length + 1)}`).sort();
}

it('removes old images and programs, and nothing else that is in the folder', async () => {
  await file(`l3-${stale}/manifest.json`);
  await file(`l2-xen-${stale}/l2.img`);
  await file(`bench-${stale}/probe`);
  await file('mine/notes');
  await file(`l3-of-mine/manifest.json`);
  const gone = [`image l2-xen-${stale}`, `image l3-${stale}`, `program bench-${stale}`].sort();
  expect(await prune({ dryRun: true })).toEqual(gone);
  expect(await readdir(cacheDir)).toHaveLength(5);
  expect(await prune()).toEqual(gone);
  expect((await readdir(cacheDir)).sort()).toEqual([
    ...['bochs.lock', 'l3-of-mine', 'lock', 'mine', 'qemu.lock', 'xen.lock'],
  ]);
});

it('tells the disk that each takes', async () => {
  await file(`l3-${stale}/initrd`, 2 * hour, 'x'.repeat(100_000));
  const [entry] = await pruneCache({ cacheDir, signal, keep: [], dryRun: true });
  expect(entry?.bytes).toBeGreaterThanOrEqual(100_000);
  expect(entry?.bytes).toBeLessThan(200_000);
});

it('leaves what is to be kept, what is open and what was used lately', async () => {
  await file(`l1-${stale}/manifest.json`);
  await file(`l2-kvm-${stale}/manifest.json`, hour / 2);
  await file(`xen-${stale}/manifest.json`, 3 * 24 * hour);
  const opened = await open(await file(`l1-disk-${stale}/l2.img`));
  try {
    const keep = [join(cacheDir, `l1-${stale}`)];
    expect(await prune({ keep, unusedForDays: 4 })).toEqual([]);
    expect(await prune({ keep })).toEqual([`image xen-${stale}`]);
  } finally {
    await opened.close();
  }
  expect(await prune()).toEqual([`image l1-${stale}`, `image l1-disk-${stale}`]);
});

it('leaves what these sources would boot, and the downloads that they would take', async () => {
  const options = { cacheDir, signal, onProgress: () => undefined };
  expect([...(await whereImages(['l3'], options))]).toEqual([]);
  const packages = ['old_1_amd64.deb', 'new_1_amd64.deb'];
  for (const name of packages) await file(`pool/${name}`);
  // No package is known to be of no use before all lists were resolved.
  expect(await prune()).toEqual([]);
  for (const name of ['l1', 'l1-hvm', 'l2-kvm', 'l2-xen', 'l3']) {
    await file(`locks/${name}-${await lockKey(name)}`, 2 * hour, 'new_1_amd64.deb 00\n');
  }
  await file(`locks/l3-${stale}`, 2 * hour, 'old_1_amd64.deb 00\n');
  const where = await whereImages(['l3', 'l1-disk'], options);
  for (const path of where.values())
    await file(join(path.slice(cacheDir.length + 1), 'manifest.json'));
  expect([...where.keys()]).toEqual(['l3', 'l1-disk']);
  expect(await prune()).toEqual([`leftover locks/l3-${stale}`, 'package pool/old_1_amd64.deb']);
  // Keys of all images, three times: some seconds of shell each on a busy machine.
}, 120_000);

/** As images/lib/image.sh makes it. */
async function lockKey(name: string): Promise<string> {
  const script = `IMAGES=$1 CACHE=/c; . $IMAGES/lib/common.sh; . $IMAGES/lib/image.sh; lock_path "$2"`;
  const child = spawn('bash', ['-c', script, '-', imagesDirectory, name]);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  return output.trim().slice(-stale.length);
}

it('removes what killed builds have left, and the tree of incremental ones', async () => {
  await file('work.123/out/initrd');
  await file('xen-unfinished.7/tree/x');
  await file('xen-work/xen/x');
  for (const name of ['work.123', 'xen-unfinished.7', 'xen-work/xen']) {
    await utimes(join(cacheDir, name), 1, 1);
  }
  await file('work-bench.abc/probe', 60);
  expect(await prune()).toEqual([
    'leftover work.123',
    'leftover xen-unfinished.7',
    'leftover xen-work',
  ]);
});

it('does not touch the cache while a build has its lock', async () => {
  await file(`l3-${stale}/manifest.json`);
  const holder = spawn('flock', [join(cacheDir, 'lock'), 'sh', '-c', 'echo held; read line']);
  await once(holder.stdout, 'data');
  const ended = once(holder, 'close');
  await expect(prune()).rejects.toMatchObject({ code: 'E_BUSY' });
  expect(await readdir(cacheDir)).toContain(`l3-${stale}`);
  // To look is allowed.
  expect(await prune({ dryRun: true })).toEqual([`image l3-${stale}`]);
  holder.stdin.end();
  await ended;
}, 30_000);

it('has nothing to do where there is no cache', async () => {
  expect(await prune({ cacheDir: join(directory, 'none') })).toEqual([]);
  expect(await readdir(directory)).not.toContain('none');
});

it('reads kinds of a later version as leftovers', () => {
  expect(parseEntries('image\t5\t/a\tb\nspoon\t6\t/c\n')).toEqual<CacheEntry[]>([
    { kind: 'image', bytes: 5, path: '/a\tb' },
    { kind: 'leftover', bytes: 6, path: '/c' },
  ]);
});
