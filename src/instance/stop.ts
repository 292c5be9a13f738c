/** Takes an instance down from outside, whatever state it is in. */
import { VsbError } from '../base/errors.js';
import {
  endProcess,
  processState,
  waitUntilGone,
  type ProcessIdentity,
} from '../base/process-identity.js';
import { findLeftovers, removeLeftovers } from '../machine/leftovers.js';
import type { InstancePaths } from '../state/paths.js';
import { callDaemon } from './client.js';

/** The daemon gives QEMU and its sessions some seconds each. */
const downLimitMs = 30_000;
const exitLimitMs = 10_000;

/**
 * Ends daemon and QEMU; nothing to do is success.
 *
 * @returns whether anything was running or left over
 * @throws VsbError E_DAEMON when a process cannot be ended
 */
export async function stopInstance(paths: InstancePaths): Promise<boolean> {
  const before = await findLeftovers(paths);
  if (before.daemon !== undefined) {
    const asked = await askToEnd(paths, before.daemon);
    if (
      !(asked && (await waitUntilGone(before.daemon, exitLimitMs))) &&
      !(await endProcess(before.daemon, exitLimitMs))
    ) {
      throw new VsbError('E_DAEMON', `the daemon (pid ${before.daemon.pid}) does not end`);
    }
  }
  const after = await findLeftovers(paths);
  await removeLeftovers(paths, after);
  return before.recorded;
}

/** Whether the daemon has heard it. One that was stopped by a signal cannot. */
async function askToEnd(paths: InstancePaths, daemon: ProcessIdentity): Promise<boolean> {
  if ((await processState(daemon)) === 'T') return false;
  try {
    await callDaemon(paths.controlSocket, 'down', {}, { timeoutMs: downLimitMs });
    return true;
  } catch (error) {
    // It hangs or is just ending; what counts is whether it is gone in the end.
    if (error instanceof VsbError) return error.code === 'E_DAEMON_GONE';
    throw error;
  }
}
