import { describe, expect, it } from 'vitest';

import { bootProblem, bootSectorBytes } from '../../src/host/boot-sector.js';

interface Disk {
  readonly code?: boolean;
  readonly signed?: boolean;
  /** Type of the first partition in the old table. */
  readonly type?: number;
  /** Type of the first partition in a GPT, as it lies on the disk. */
  readonly gpt?: string;
}

function diskOf({ code = false, signed = true, type = 0, gpt }: Disk): Buffer {
  const disk = Buffer.alloc(bootSectorBytes);
  if (code) disk[0] = 0xeb;
  disk[450] = type;
  if (signed) disk.writeUInt16LE(0xaa55, 510);
  if (gpt !== undefined) {
    disk.write('EFI PART', 512, 'latin1');
    disk.write(gpt, 1024, 'hex');
  }
  return disk;
}

const efiSystem = '28732ac11ff8d211ba4b00a0c93ec93b';
const linux = 'af3dc60f838472478e793d69d8477de4';

describe('bootProblem', () => {
  it('takes a disk with a boot loader, whatever its partitions', () => {
    for (const more of [{ type: 0x83 }, { type: 0xee, gpt: efiSystem }]) {
      expect(bootProblem(diskOf({ code: true, ...more }))).toBeUndefined();
    }
  });

  it.each<[string, Disk]>([
    ['nothing at all', { signed: false }],
    ['partitions alone', { type: 0x83 }],
    ['a GPT without a system partition', { type: 0xee, gpt: linux }],
    ['code without a signature', { code: true, signed: false }],
  ])('refuses %s', (_, disk) => {
    expect(bootProblem(diskOf(disk))?.problem).toContain('no boot loader');
  });

  it.each<[string, Disk]>([
    ['a GPT', { type: 0xee, gpt: efiSystem }],
    ['the old table', { type: 0xef }],
  ])('names UEFI where its partition is in %s', (_, disk) => {
    const found = bootProblem(diskOf(disk));
    expect(found?.problem).toContain('UEFI only');
    expect(found?.remedy).toContain('grub-pc');
  });

  it('refuses what is smaller than a sector', () => {
    expect(bootProblem(Buffer.from([0xeb]))).toBeDefined();
  });
});
