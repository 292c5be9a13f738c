/**
 * Which process is meant: a pid alone is used again by the kernel, together with the start time
 * (/proc/<pid>/stat, field 22, clock ticks since boot; proc(5)) it is not.
 */
import { readFile } from 'node:fs/promises';
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
  procDirectory = '/proc',
): Promise<ProcessIdentity | undefined> {
  const text = await readFile(`${procDirectory}/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // Field 2 is the name in parentheses and may itself contain anything; count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const startTime = fields[19];
  if (startTime === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, startTime };
}

export async function isAlive(identity: ProcessIdentity, procDirectory?: string): Promise<boolean> {
  const found = await identifyProcess(identity.pid, procDirectory);
  return found?.startTime === identity.startTime;
}

/** The command line of a process, arguments separated by spaces; empty when it is gone. */
export async function commandLineOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.replaceAll('\0', ' ').trim();
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
  const deadline = Date.now() + timeoutMs;
  while (await isAlive(identity)) {
    if (Date.now() >= deadline) return false;
    await delay(25);
  }
  return true;
}

/** SIGTERM, and SIGKILL where it is not enough. Returns whether the process is gone. */
export async function endProcess(identity: ProcessIdentity, graceMs: number): Promise<boolean> {
  if (!(await signalProcess(identity, 'SIGTERM'))) return true;
  if (await waitUntilGone(identity, graceMs)) return true;
  await signalProcess(identity, 'SIGKILL');
  return await waitUntilGone(identity, graceMs);
}
