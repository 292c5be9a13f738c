import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { assertSelfContained } from '../../src/host/disk-image.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vsbypass-disk-image-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** The header of a qcow2 image (version 3), as QEMU's docs/interop/qcow2.txt has it. */
function header({ backing = '', features = 0n }: { backing?: string; features?: bigint }): Buffer {
  const image = Buffer.alloc(4096);
  image.write('QFI\xfb', 0, 'latin1');
  image.writeUInt32BE(3, 4);
  if (backing !== '') {
    image.writeBigUInt64BE(512n, 8);
    image.writeUInt32BE(backing.length, 16);
    image.write(backing, 512, 'latin1');
  }
  image.writeBigUInt64BE(features, 72);
  return image;
}

async function check(content: Buffer, format: 'raw' | 'qcow2' = 'qcow2'): Promise<void> {
  const path = join(folder, 'disk');
  await writeFile(path, content);
  await assertSelfContained({ path, format });
}

describe('assertSelfContained', () => {
  it('takes an image that names no other file, and any raw one', async () => {
    await check(header({}));
    await check(header({ backing: '/etc/shadow' }), 'raw');
  });

  it('refuses a backing file, and says which', async () => {
    await expect(check(header({ backing: '/etc/shadow' }))).rejects.toMatchObject({
      code: 'E_DISK_IMAGE',
      message: expect.stringContaining('has a backing file (/etc/shadow)') as string,
      hint: expect.stringContaining('qemu-img convert') as string,
    });
  });

  it('shows nothing of the name that could drive a terminal', async () => {
    await expect(check(header({ backing: '\x1b[2Jx' }))).rejects.toThrow('(?[2Jx)');
  });

  it('refuses data in another file', async () => {
    await expect(check(header({ features: 4n }))).rejects.toMatchObject({ code: 'E_DISK_IMAGE' });
  });

  it('refuses what is no qcow2 image, and what is too short to be one', async () => {
    await expect(check(Buffer.alloc(4096))).rejects.toThrow('is no qcow2 image');
    await expect(check(Buffer.from('QFI'))).rejects.toThrow('is no qcow2 image');
  });
});
