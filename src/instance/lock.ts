/**
 * The lock of an instance: flock(2) on a file, so the kernel gives it back however its holder ends. The daemon
 * holds it for as long as it lives; a command holds it while it clears away what a daemon left.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { VsbError, messageOf } from '../base/errors.js';
import type { InstancePaths } from '../state/paths.js';

/** flock(1) ends with it when somebody else holds the lock. */
const refusedExitCode = 75;
/** How long a daemon may take to clear away what a killed command had begun; it holds the lock until then. */
const patienceSeconds = 5;

/** Program and arguments that run `command` under the lock, in the same process. */
export function lockedCommand(
  paths: InstancePaths,
  command: readonly string[],
): { readonly program: string; readonly words: readonly string[] } {
  const limit = ['--timeout', String(patienceSeconds)];
  const refusal = ['--conflict-exit-code', String(refusedExitCode)];
  return { program: 'flock', words: [...limit, ...refusal, '--no-fork', paths.lock, ...command] };
}

/** What the exit code of {@link lockedCommand} means; undefined when the lock was not refused. */
export function refusalOf(paths: InstancePaths, exitCode: number | null): VsbError | undefined {
  return exitCode === refusedExitCode ? busy(paths) : undefined;
}

/** @returns E_BUSY: another command is at work on the instance */
export function busy(paths: InstancePaths): VsbError {
  return new VsbError('E_BUSY', `another command is at work on instance '${paths.name}'`, {
    hint: '`vsbypass status` tells what it does.',
  });
}

/**
 * Does something while no daemon of the instance can start, and no other command does the same.
 * @throws VsbError E_BUSY when another holds the lock; E_DAEMON when it cannot be had at all; what `action` throws
 */
export async function withInstanceLock<T>(
  paths: InstancePaths,
  action: () => Promise<T>,
): Promise<T> {
  // The holder ends with its input: when it is told to, or when this process is gone.
  const { program, words } = lockedCommand(paths, ['sh', '-c', 'echo locked; exec cat']);
  const holder = spawn(program, words, { stdio: ['pipe', 'pipe', 'ignore'] });
  const closed = once(holder, 'close');
  closed.catch(() => undefined);
  try {
    const [exitCode] = (await Promise.race([
      once(holder.stdout, 'data').then(() => []),
      closed,
    ])) as [number?];
    if (exitCode !== undefined) {
      throw refusalOf(paths, exitCode) ?? new Error(`flock ended with exit code ${exitCode}`);
    }
  } catch (error) {
    if (error instanceof VsbError) throw error;
    throw new VsbError('E_DAEMON', `cannot lock instance '${paths.name}': ${messageOf(error)}`);
  }
  try {
    return await action();
  } finally {
    holder.stdin.end();
    await closed;
  }
}
