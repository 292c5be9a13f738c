/** Takes an instance down from outside, whatever state it is in. */
import { errnoOf, VsbError } from '../base/errors.js';
import { exists } from '../base/files.js';
import {
  endProcess,
  processState,
  waitUntilGone,
  type ProcessIdentity,
} from '../base/process-identity.js';
import { findLeftovers, removeLeftovers, type Leftovers } from '../machine/leftovers.js';
import type { InstancePaths } from '../state/paths.js';
import { callDaemon } from './client.js';
import { busy, withInstanceLock } from './lock.js';

/** The daemon gives QEMU and its sessions some seconds each. */
const downLimitMs = 30_000;
const exitLimitMs = 10_000;
/** Of a control socket that nobody listens on. */
const unreachable: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ECONNREFUSED']);

/**
 * Ends daemon and QEMU; nothing to do is success.
 *
 * @returns whether anything was running or left over
 * @throws VsbError E_DAEMON when a process cannot be ended; E_BUSY when another command brings it up or down meanwhile
 */
export async function stopInstance(paths: InstancePaths): Promise<boolean> {
  return await clearAway(paths, await findLeftovers(paths));
}

/**
 * Clears away an instance that was found broken.
 *
 * @param daemon pid of the daemon that it was found with; another one is another command's, and is left alone
 * @returns and throws what {@link stopInstance} does
 */
export async function clearBroken(
  paths: InstancePaths,
  daemon: number | undefined,
): Promise<boolean> {
  const leftovers = await findLeftovers(paths);
  if (leftovers.daemon !== undefined && leftovers.daemon.pid !== daemon) throw busy(paths);
  return await clearAway(paths, leftovers);
}

async function clearAway(paths: InstancePaths, before: Leftovers): Promise<boolean> {
  if (before.daemon !== undefined) {
    const asked = await askToEnd(paths, before.daemon);
    if (
      !(asked && (await waitUntilGone(before.daemon, exitLimitMs))) &&
      !(await endProcess(before.daemon, exitLimitMs))
    ) {
      throw new VsbError('E_DAEMON', `the daemon (pid ${before.daemon.pid}) does not end`);
    }
  }
  // Of an instance that never was there is nothing to clear away, nor a place for the lock.
  if (!(await exists(paths.stateDir))) return before.recorded;
  await withInstanceLock(paths, async () => {
    await removeLeftovers(paths, await findLeftovers(paths));
  });
  return before.recorded;
}

/** Whether the daemon has heard it. One that was stopped by a signal cannot. */
async function askToEnd(paths: InstancePaths, daemon: ProcessIdentity): Promise<boolean> {
  if ((await processState(daemon)) === 'T') return false;
  try {
    await callDaemon(paths.controlSocket, 'down', {}, { timeoutMs: downLimitMs });
    return true;
  } catch (error) {
    if (!(error instanceof VsbError)) throw error;
    // One that ends before it answers is ending. One that could not be reached has heard nothing.
    return error.code === 'E_DAEMON_GONE' && !unreachable.has(errnoOf(error.cause));
  }
}
