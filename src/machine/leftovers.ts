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
import { bochsConfigPath } from '../layers/l0-bochs.js';
import { optionValue } from '../layers/l0.js';
import type { InstancePaths } from '../state/paths.js';
import { readProcesses } from '../state/record.js';

/** How long QEMU has to end by itself after SIGTERM. */
const graceMs = 3000;

export interface Leftovers {
  /** A daemon that lives; then nothing is left over. */
  readonly daemon?: ProcessIdentity;
  /** This instance's machine, still running. */
  readonly qemu?: ProcessIdentity;
  /** Its make, for people. */
  readonly make?: string;
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
  const recorded = qemu === undefined ? undefined : await makeOf(paths, qemu);
  const qemuLives = qemu !== undefined && recorded !== undefined && (await isAlive(qemu));
  const others = daemonLives ? {} : await findUnrecorded(paths);
  const living: Pick<Leftovers, 'daemon' | 'qemu'> = {
    ...others,
    ...(daemonLives ? { daemon } : {}),
    ...(qemuLives ? { qemu } : {}),
  };
  const make = living.qemu === undefined ? undefined : await makeOf(paths, living.qemu);
  return {
    recorded: [daemon, qemu, damage, living.daemon, living.qemu].some((one) => one !== undefined),
    ...living,
    ...(make === undefined ? {} : { make }),
    ...(damage === undefined ? {} : { damage }),
  };
}

/** By what the command line of its machine is known: QEMU's QMP socket, the configuration of Bochs. */
function marksOf(paths: InstancePaths): readonly (readonly [make: string, mark: string])[] {
  return [
    ['QEMU', optionValue(paths.qmpSocket)],
    ['Bochs', bochsConfigPath(paths.bootDir)],
  ];
}

/** Undefined where it is no machine of this instance. */
async function makeOf(paths: InstancePaths, { pid }: ProcessIdentity): Promise<string | undefined> {
  const commandLine = await commandLineOf(pid);
  return marksOf(paths).find(([, mark]) => commandLine.includes(mark))?.[0];
}

async function findUnrecorded(paths: InstancePaths): Promise<Pick<Leftovers, 'daemon' | 'qemu'>> {
  const marks = marksOf(paths);
  const [qemu] = await findProcesses(
    (program, words) =>
      /^(qemu-system-|bochs$)/.test(basename(program)) &&
      words.some((word) => marks.some(([, mark]) => word.includes(mark))),
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
 * @throws VsbError E_DAEMON when the machine cannot be ended
 */
export async function removeLeftovers(
  paths: InstancePaths,
  leftovers: Leftovers,
): Promise<string | undefined> {
  const { qemu, make = 'its machine' } = leftovers;
  if (qemu !== undefined && !(await endProcess(qemu, graceMs))) {
    throw new VsbError('E_DAEMON', `${make} (pid ${qemu.pid}) of a killed daemon does not end`);
  }
  await removeRuntimeFiles(paths);
  if (qemu !== undefined)
    return `ended ${make} (pid ${qemu.pid}) that a killed daemon had left running`;
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
