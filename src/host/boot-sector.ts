/** Whether a PC's BIOS starts from a disk, as far as its first sectors tell. */

const sector = 512;
/** Up to the end of a GPT's usual table of partitions (UEFI Specification 2.10, 5.3). */
export const bootSectorBytes = 34 * sector;

/** Boot code ends where the disk's signature and the table of partitions begin. */
const codeBytes = 440;
const tableOffset = 446;
const entryBytes = 16;
/** Types of partitions in the old table: a system partition of UEFI's. */
const efiSystemType = 0xef;
/** C12A7328-F81F-11D2-BA4B-00A0C93EC93B, as it lies on the disk. */
const efiSystemGuid = Buffer.from('28732ac11ff8d211ba4b00a0c93ec93b', 'hex');

/**
 * @param start the first {@link bootSectorBytes} of the disk, less where it is smaller
 * @returns what keeps a BIOS from starting it, and what helps; undefined where nothing speaks against it
 */
export function bootProblem(
  start: Buffer,
): { readonly problem: string; readonly remedy: string } | undefined {
  const signed = start.length >= sector && start.readUInt16LE(510) === 0xaa55;
  const code = start.subarray(0, codeBytes).some((byte) => byte !== 0);
  if (signed && code) return undefined;
  if (hasEfiPartition(start)) {
    return {
      problem: 'boots by UEFI only: its boot sector has no boot loader for a BIOS',
      remedy: 'Install a boot loader for a BIOS in it (Debian: grub-pc): L2 has SeaBIOS.',
    };
  }
  return {
    problem: 'has no boot loader in its boot sector',
    remedy:
      'Is it the disk of a whole machine, not of one file system, and is "format" right? Install a boot loader in it (Debian: grub-pc).',
  };
}

function hasEfiPartition(start: Buffer): boolean {
  for (
    let entry = tableOffset;
    entry + entryBytes <= Math.min(start.length, 510);
    entry += entryBytes
  ) {
    if (start[entry + 4] === efiSystemType) return true;
  }
  if (start.subarray(sector, sector + 8).toString('latin1') !== 'EFI PART') return false;
  for (let entry = 2 * sector; entry + 128 <= start.length; entry += 128) {
    if (start.subarray(entry, entry + 16).equals(efiSystemGuid)) return true;
  }
  return false;
}
