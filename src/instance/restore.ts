/** Goes back to a snapshot. What runs is ended only when nothing known keeps the snapshot from taking its place. */
import { residentMiB } from '../base/process-identity.js';
import { parameterSchemas } from '../contract/control.js';
import type { InstanceStatus } from '../contract/status.js';
import { findLeftovers } from '../machine/leftovers.js';
import { chooseState } from '../machine/saved/choose.js';
import { requireSnapshot } from '../machine/saved/store.js';
import { bootInstance } from './boot.js';
import { prepareBoot, type BringUpOptions } from './bring-up.js';
import { stopInstance } from './stop.js';

/**
 * @throws VsbError E_FILE (none of that name, damaged, made by something else), what the host lacks (3), E_BUILD: all before
 *   anything is ended; a failed layer (4)
 */
export async function restoreInstance(
  options: Omit<BringUpOptions, 'config' | 'warm'>,
  name: string,
): Promise<InstanceStatus> {
  const { paths, roots, signal, report } = options;
  const { config } = await requireSnapshot(paths, name);
  const warm = { resume: name, must: true };
  const { qemu } = await findLeftovers(paths);
  const freedMiB = qemu === undefined ? 0 : await residentMiB(qemu.pid);
  const request = await prepareBoot({ ...options, config, warm }, freedMiB);
  await chooseState(paths, parameterSchemas.up.parse(request));
  await stopInstance(paths);
  return await bootInstance({ paths, roots, request }, { signal, report });
}
