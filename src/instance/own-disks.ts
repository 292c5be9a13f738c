/** Looks at the disk images that a configuration names, before anything is started with them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { VsbError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import { bootProblem, bootSectorBytes } from '../host/boot-sector.js';
import { assertSelfContained, readDisk } from '../host/disk-image.js';

/** @throws VsbError E_DISK_IMAGE, E_FILE, E_PACKAGE_MISSING; the signal's reason */
export async function assertSoundDisks({ l2, vms }: Config, signal: AbortSignal): Promise<void> {
  const own = l2.disk ?? [];
  for (const disk of [...own, ...vms.flatMap((vm) => vm.disk ?? [])])
    await assertSelfContained(disk);
  const [first] = own;
  if (first === undefined) return;
  const folder = await mkdtemp(join(tmpdir(), 'vsbypass-disk-'));
  try {
    const scratch = join(folder, 'start');
    const start = await readDisk(first, bootSectorBytes, { scratch, signal });
    const found = bootProblem(start);
    if (found === undefined) return;
    throw new VsbError('E_DISK_IMAGE', `${first.path} ${found.problem}`, {
      layer: 'L2',
      hint: found.remedy,
      details: { path: first.path },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
