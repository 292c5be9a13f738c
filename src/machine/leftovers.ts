/**
 * What a daemon that was killed left behind: QEMU goes on without it. It is found by its recorded pid
 * and start time, and must also still look like this instance's QEMU before it is ended. Where the
 * record is missing or damaged, a QEMU is known by its QMP socket, and a daemon by the lock that it holds.
 */
import { rm } from 'node:fs/promises';
import { basename } from 'node:path';

import { VsbError, messageOf } from '../base/errors.js';
import {
  commandLineOf,
  endProcess,
  findProcesses,
  hasOpen,
  isAlive,
  type ProcessIdentity,
} from '../base/process-identity.js';
import type { InstancePaths } from '../state/paths.js';
import { readProcesses } from '../state/record.js';

/** How long QEMU has to end by itself after SIGTERM. */
const graceMs = 3000;

export interface Leftovers {
  /** A daemon that lives; then nothing is left over. */
  readonly daemon?: ProcessIdentity;
  /** This instance's QEMU, still running. */
  readonly qemu?: ProcessIdentity;
  /** Whether there is a trace of processes at all: the instance was not taken down. */
  readonly recorded: boolean;
  /** Why the record of the processes cannot be read. */
  readonly damage?: string;
}

export async function findLeftovers(paths: InstancePaths): Promise<Leftovers> {
  const record = await readProcesses(paths).catch((error: unknown) => messageOf(error));
  const damage = typeof record === 'string' ? record : undefined;
  const { daemon, qemu } = typeof record === 'string' ? {} : record;
  const daemonLives = daemon !== undefined && (await isAlive(daemon));
  const qemuLives =
    qemu !== undefined &&
    (await isAlive(qemu)) &&
    (await commandLineOf(qemu.pid)).includes(paths.qmpSocket);
  const others = daemonLives ? {} : await findUnrecorded(paths);
  const living: Pick<Leftovers, 'daemon' | 'qemu'> = {
    ...others,
    ...(daemonLives ? { daemon } : {}),
    ...(qemuLives ? { qemu } : {}),
  };
  return {
    recorded: [daemon, qemu, damage, living.daemon, living.qemu].some((one) => one !== undefined),
    ...living,
    ...(damage === undefined ? {} : { damage }),
  };
}

async function findUnrecorded(paths: InstancePaths): Promise<Pick<Leftovers, 'daemon' | 'qemu'>> {
  const [qemu] = await findProcesses(
    (program, words) =>
      basename(program).startsWith('qemu-system-') &&
      words.some((word) => word.startsWith(`unix:${paths.qmpSocket},`)),
  );
  // flock(1) itself, on its way to become a daemon or to be refused, is another program.
  const [daemon] = await findProcesses(
    async (program, words, pid) =>
      program === process.execPath && words.includes('daemon') && (await hasOpen(pid, paths.lock)),
  );
  return { ...(daemon === undefined ? {} : { daemon }), ...(qemu === undefined ? {} : { qemu }) };
}

/**
 * Ends what is left over and removes its sockets and boot files. The caller holds the instance's lock.
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
  await rm(paths.runtimeRecord, { recursive: true, force: true });
  await rm(paths.bootDir, { recursive: true, force: true });
  await rm(paths.resume, { force: true });
  await rm(paths.processes, { force: true });
}
