/** For commands that need the daemon: starts a new one where the old one is gone and its QEMU lives. */
import { findLeftovers } from '../machine/leftovers.js';
import { findAdoptable } from '../machine/resume.js';
import type { InstancePaths } from '../state/paths.js';
import type { Roots } from '../state/roots.js';
import { startDaemon } from './start.js';

/**
 * @returns what was done, one sentence for people; undefined when there was nothing to do
 * @throws VsbError E_DAEMON when the new daemon cannot take it over; E_BUSY when another command just does
 */
export async function adoptIfOrphaned(
  paths: InstancePaths,
  roots: Roots,
  signal: AbortSignal,
): Promise<string | undefined> {
  const adoptable = await findAdoptable(paths, await findLeftovers(paths));
  return adoptable === undefined ? undefined : await startDaemon(paths, roots, signal);
}
