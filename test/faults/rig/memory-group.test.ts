import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { MemoryGroup, noMemoryGroup } from './memory-group.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vsb-group-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

it('has none without a memory controller, and with version 2', async () => {
  expect(noMemoryGroup(root)).toMatch(/no memory controller/);
  await writeFile(join(root, 'cgroup.controllers'), 'cpu memory\n');
  expect(noMemoryGroup(root)).toMatch(/version 2/);
});

it('bounds what runs in a group of the controller', async () => {
  await mkdir(join(root, 'memory'));
  await writeFile(join(root, 'memory/cgroup.procs'), '');
  expect(noMemoryGroup(root)).toBeUndefined();
  const group = new MemoryGroup('one', 4096, root);
  expect(await readFile(join(root, 'memory/one/memory.limit_in_bytes'), 'utf8')).toBe('4096');
  expect(group.wrap.join(' ')).toContain(`> ${root}/memory/one/cgroup.procs; exec "$@"`);
});
