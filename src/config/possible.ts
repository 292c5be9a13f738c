/** What a configuration asks for that QEMU or L2 would refuse, minutes later and less clearly. */
import { stat } from 'node:fs/promises';

import { VsbError } from '../base/errors.js';
import type { Config } from './schema.js';
import { hostMemoryMiB } from './sizes.js';

/** @throws VsbError E_CONFIG @param path of the configuration, for the message */
export function assertEnoughMemory({ l2, vms }: Config, path: string): void {
  if (l2.disk !== undefined || l2.memoryMiB === undefined) return;
  const neededMiB = hostMemoryMiB(l2.kind, vms);
  if (l2.memoryMiB >= neededMiB) return;
  throw new VsbError(
    'E_CONFIG',
    `${path}: l2.memoryMiB: L2 and its user VMs need ${neededMiB} MiB, not ${l2.memoryMiB}`,
    { hint: 'Leave l2.memoryMiB out, or give the user VMs less (vms[].memoryMiB).' },
  );
}

/**
 * Two VMs that have one disk destroy what is on it, unless nobody writes to it.
 *
 * @param config whose files are there
 * @throws VsbError E_CONFIG
 */
export async function assertOwnDisks({ l2, vms }: Config, path: string): Promise<void> {
  const disks = [
    ...(l2.disk ?? []).map((disk, index) => ({
      ...{ key: `l2.disk[${index}].path`, path: disk.path, written: disk.keepChanges },
    })),
    ...vms.flatMap(({ disk }, index) =>
      disk === undefined
        ? []
        : [{ key: `vms[${index}].disk.path`, path: disk.path, written: !disk.readOnly }],
    ),
  ];
  const seen = new Map<string, (typeof disks)[number]>();
  for (const disk of disks) {
    const identity = await identityOf(disk.path);
    const other = seen.get(identity);
    if (other !== undefined && (other.written || disk.written)) {
      const message = `${path}: ${disk.key}: ${disk.path} is the disk of ${other.key}, too`;
      throw new VsbError('E_CONFIG', message, {
        hint: 'Give each an image of its own, or make all of them readOnly.',
      });
    }
    seen.set(identity, disk);
  }
}

/** The same for each name that a file, or a device, has. */
async function identityOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true });
  return found.isBlockDevice() ? `device ${found.rdev}` : `file ${found.dev} ${found.ino}`;
}
