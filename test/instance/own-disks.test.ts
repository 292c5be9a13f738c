/** `up` with disks that cannot be L2: what it says, and that it leaves nothing behind. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { runCli } from '../rig/run-cli.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vsb-own-disks-'));
  const image = (name: string): string => join(folder, name);
  await writeFile(image('empty.raw'), Buffer.alloc(65_536));
  // A table of partitions, the first of them UEFI's, and no code before it.
  const uefi = Buffer.alloc(65_536);
  uefi[450] = 0xef;
  uefi.writeUInt16LE(0xaa55, 510);
  await writeFile(image('uefi.raw'), uefi);
  await writeFile(image('text.qcow2'), 'no image at all');
  const qemuImg = async (...words: string[]): Promise<unknown> => await execa('qemu-img', words);
  await qemuImg('create', '-q', '-f', 'qcow2', image('empty.qcow2'), '64M');
  const backing = ['-b', image('empty.raw'), '-F', 'raw'];
  await qemuImg('create', '-q', '-f', 'qcow2', ...backing, image('backed.qcow2'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

it.each([
  ['absent.raw', 'raw', 'E_CONFIG', 'there is no file', undefined],
  ['empty.raw', 'raw', 'E_DISK_IMAGE', 'has no boot loader', 'grub-pc'],
  ['empty.qcow2', 'qcow2', 'E_DISK_IMAGE', 'has no boot loader', 'grub-pc'],
  ['uefi.raw', 'raw', 'E_DISK_IMAGE', 'boots by UEFI only', 'grub-pc'],
  ['text.qcow2', 'qcow2', 'E_DISK_IMAGE', 'is no qcow2 image', 'qemu-img info'],
  ['backed.qcow2', 'qcow2', 'E_DISK_IMAGE', 'has a backing file', 'qemu-img convert'],
])('refuses %s (%s) with %s', async (name, format, code, message, remedy) => {
  const config = join(folder, 'vsbypass.json');
  await writeFile(config, JSON.stringify({ l2: { disk: { path: join(folder, name), format } } }));
  const before = await readdir(folder);
  const { code: exit, stdout } = await runCli(folder, ['up', '--config', config, '--json']);
  expect(exit).toBe(2);
  const { error } = JSON.parse(stdout) as { error: { message: string; hint?: string } };
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) as string });
  if (remedy !== undefined) expect(error.hint).toContain(remedy);
  expect(await readdir(folder)).toEqual(before);
});
