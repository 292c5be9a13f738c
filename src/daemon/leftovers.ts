/**
 * What a daemon that was killed left behind: QEMU goes on without it. It is found by its recorded pid
 * and start time, and must also still look like this instance's QEMU before it is ended.
 */
import { rm } from 'node:fs/promises';

import { VsbError } from '../errors/index.js';
import type { InstancePaths } from '../testbed/paths.js';
import {
  commandLineOf,
  endProcess,
  isAlive,
  type ProcessIdentity,
} from '../testbed/process-identity.js';
import { readProcesses } from '../testbed/record.js';

/** How long QEMU has to end by itself after SIGTERM. */
const graceMs = 3000;

export interface Leftovers {
  /** A daemon that lives; then nothing is left over. */
  readonly daemon?: ProcessIdentity;
  /** This instance's QEMU, still running. */
  readonly qemu?: ProcessIdentity;
  /** Whether there is a record of processes at all: the instance was not taken down. */
  readonly recorded: boolean;
}

export async function findLeftovers(paths: InstancePaths): Promise<Leftovers> {
  const { daemon, qemu } = await readProcesses(paths);
  const daemonLives = daemon !== undefined && (await isAlive(daemon));
  const qemuLives =
    qemu !== undefined &&
    (await isAlive(qemu)) &&
    (await commandLineOf(qemu.pid)).includes(paths.qmpSocket);
  return {
    recorded: daemon !== undefined || qemu !== undefined,
    ...(daemonLives ? { daemon } : {}),
    ...(qemuLives ? { qemu } : {}),
  };
}

/**
 * Ends what is left over and removes its sockets and boot files. Only for who holds the instance's
 * lock, or has seen that no daemon lives.
 *
 * @returns what was done, one sentence for people; undefined when there was nothing
 * @throws VsbError E_DAEMON when QEMU cannot be ended
 */
export async function removeLeftovers(
  paths: InstancePaths,
  leftovers: Leftovers,
): Promise<string | undefined> {
  const { qemu } = leftovers;
  if (qemu !== undefined && !(await endProcess(qemu, graceMs))) {
    throw new VsbError('E_DAEMON', `QEMU (pid ${qemu.pid}) of a killed daemon does not end`);
  }
  await removeRuntimeFiles(paths);
  if (qemu !== undefined)
    return `ended QEMU (pid ${qemu.pid}) that a killed daemon had left running`;
  return leftovers.recorded ? 'removed what a killed daemon had left' : undefined;
}

/** Everything that is of no use without a daemon. Keys, passwords and logs stay. */
export async function removeRuntimeFiles(paths: InstancePaths): Promise<void> {
  await rm(paths.runtimeDir, { recursive: true, force: true });
  await rm(paths.bootDir, { recursive: true, force: true });
  await rm(paths.processes, { force: true });
}
