/**
 * Which process is meant: a pid alone is used again by the kernel, together with the start time
 * (/proc/<pid>/stat, field 22, clock ticks since boot; proc(5)) it is not.
 */
import { readFile, readdir, readlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import { z } from 'zod';

export const processIdentitySchema = z.object({
  pid: z.int().min(2),
  startTime: z.string().regex(/^\d+$/),
});
export type ProcessIdentity = z.output<typeof processIdentitySchema>;

/** The identity of a living process; undefined when there is none, or only a zombie. */
export async function identifyProcess(
  pid: number,
  procDirectory?: string,
): Promise<ProcessIdentity | undefined> {
  const found = await readStat(pid, procDirectory);
  return found === undefined ? undefined : { pid, startTime: found.startTime };
}

export async function isAlive(identity: ProcessIdentity, procDirectory?: string): Promise<boolean> {
  return (await processState(identity, procDirectory)) !== undefined;
}

/** The state letter of exactly this process: `R`, `S`, `T` (stopped by a signal)...; undefined when it is gone. */
export async function processState(
  identity: ProcessIdentity,
  procDirectory?: string,
): Promise<string | undefined> {
  const found = await readStat(identity.pid, procDirectory);
  return found?.startTime === identity.startTime ? found.state : undefined;
}

async function readStat(
  pid: number,
  procDirectory = '/proc',
): Promise<{ readonly state: string; readonly startTime: string } | undefined> {
  const text = await readFile(`${procDirectory}/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // Field 2 is the name in parentheses and may itself contain anything; count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const startTime = fields[19];
  if (state === undefined || startTime === undefined) return undefined;
  return state === 'Z' || state === 'X' ? undefined : { state, startTime };
}

/** The command line of a process, arguments separated by spaces; empty when it is gone. */
export async function commandLineOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.replaceAll('\0', ' ').trim();
}

/**
 * For how many milliseconds a process could have run and had no CPU, since it began: of its threads, the one that waited
 * longest (/proc/<pid>/task/<tid>/schedstat, the second field; Linux, Documentation/scheduler/sched-stats.rst).
 *
 * @returns 0 where the kernel does not count it, or the process is gone
 */
export async function cpuWaitMs(pid: number, procDirectory = '/proc'): Promise<number> {
  const tasks = `${procDirectory}/${pid}/task`;
  const threads = await readdir(tasks).catch(() => []);
  const waits = await Promise.all(
    threads.map(async (thread) => {
      const text = await readFile(`${tasks}/${thread}/schedstat`, 'utf8').catch(() => '');
      return Number(text.split(' ')[1] ?? 0) / 1e6;
    }),
  );
  return Math.max(0, ...waits);
}

/** The memory that it has, MiB (proc(5), /proc/<pid>/status, VmRSS); 0 when it is gone. */
export async function residentMiB(pid: number, procDirectory = '/proc'): Promise<number> {
  const text = await readFile(`${procDirectory}/${pid}/status`, 'utf8').catch(() => '');
  return Math.floor(Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) / 1024);
}

/** Sends a signal if exactly this process still lives. */
export async function signalProcess(
  identity: ProcessIdentity,
  signal: NodeJS.Signals,
): Promise<boolean> {
  if (!(await isAlive(identity))) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Waits until the process is gone; false at the deadline. For processes that are not our children. */
export async function waitUntilGone(
  identity: ProcessIdentity,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (await isAlive(identity)) {
    if (performance.now() >= deadline) return false;
    await delay(25);
  }
  return true;
}

/** SIGTERM, and SIGKILL where it is not enough. Returns whether the process is gone. */
export async function endProcess(identity: ProcessIdentity, graceMs: number): Promise<boolean> {
  if (!(await signalProcess(identity, 'SIGTERM'))) return true;
  // One that is stopped by a signal hears the other only when it goes on.
  await signalProcess(identity, 'SIGCONT');
  if (await waitUntilGone(identity, graceMs)) return true;
  await signalProcess(identity, 'SIGKILL');
  return await waitUntilGone(identity, graceMs);
}

/**
 * The processes of this user for which the test holds, given the path of their program and their
 * arguments. For what no record tells of any more.
 */
export async function findProcesses(
  matches: (program: string, words: readonly string[], pid: number) => boolean | Promise<boolean>,
): Promise<ProcessIdentity[]> {
  const found: ProcessIdentity[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    // Of other users' processes this link cannot be read.
    const program = await readlink(`/proc/${pid}/exe`).catch(() => undefined);
    if (program === undefined) continue;
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (!(await matches(program, words, pid))) continue;
    const identity = await identifyProcess(pid);
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

/** Whether the process has that file open. */
export async function hasOpen(pid: number, path: string): Promise<boolean> {
  const directory = `/proc/${pid}/fd`;
  for (const descriptor of await readdir(directory).catch(() => [])) {
    if ((await readlink(`${directory}/${descriptor}`).catch(() => '')) === path) return true;
  }
  return false;
}
