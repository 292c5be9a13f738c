/** Starts an instance's daemon, detached, under the instance's lock. */
import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';

import { z } from 'zod';

import { abortable } from '../base/abortable.js';
import { VsbError, messageOf } from '../base/errors.js';
import { installed } from '../base/installation.js';
import { stretched } from '../base/machine-pace.js';
import { errorSchema } from '../contract/control.js';
import { describeExit } from '../machine/l0/process.js';
import type { InstancePaths } from '../state/paths.js';
import { createInstanceDirectories } from '../state/private-folders.js';
import type { Roots } from '../state/roots.js';
import { revive } from './client.js';
import { lockedCommand, refusalOf } from './lock.js';

/** A daemon that dies is noticed at once; this is for one that hangs. */
const usualStartLimitMs = 20_000;
const executable = installed('bin/vsbypass.js');

const greetingSchema = z.union([
  z.object({ listening: z.literal(true), recovered: z.string().optional() }),
  z.object({ failed: errorSchema }),
]);

/**
 * Starts it and waits until it listens. Node does not pass the lock on to QEMU.
 *
 * @returns what the daemon found and cleared away, for people
 * @throws VsbError E_BUSY when another daemon holds the lock; E_DAEMON when it does not come up, or what it
 * says itself of why
 */
export async function startDaemon(
  paths: InstancePaths,
  roots: Roots,
  signal: AbortSignal,
): Promise<string | undefined> {
  await createInstanceDirectories(paths, roots);
  const log = await open(paths.daemonLog, 'a', 0o600);
  try {
    const daemon = [process.execPath, executable, '--name', paths.name, 'daemon'];
    const { program, words } = lockedCommand(paths, daemon);
    const child = spawn(program, words, {
      detached: true,
      cwd: '/',
      stdio: ['ignore', 'pipe', log.fd],
      env: { ...process.env, VSBYPASS_DAEMON_LOCKED: '1' },
    });
    const { stdout } = child;
    if (stdout === null) throw new TypeError('its standard output is a pipe');
    child.unref();
    const startLimitMs = stretched(usualStartLimitMs);
    const late = (): VsbError =>
      daemonError(paths, `it did not listen within ${Math.round(startLimitMs / 1000)} s`);
    const greeting = await abortable<z.output<typeof greetingSchema>>(
      (resolve, reject) => {
        child.once('error', (error) => reject(daemonError(paths, messageOf(error))));
        // All that it said has come by then.
        child.once('close', (code, signal) => {
          const ended = daemonError(paths, `it ${describeExit({ code, signal })}`);
          reject(refusalOf(paths, code) ?? ended);
        });
        createInterface({ input: stdout }).once('line', (line) => {
          const parsed = greetingSchema.safeParse(JSON.parse(line));
          if (parsed.success) resolve(parsed.data);
          else reject(daemonError(paths, `it said: ${line}`));
        });
        return undefined;
      },
      { signal, timeoutMs: startLimitMs, late },
    ).catch((error: unknown) => {
      child.kill();
      throw error;
    });
    stdout.destroy();
    child.removeAllListeners();
    if ('failed' in greeting) throw revive(greeting.failed);
    return greeting.recovered;
  } finally {
    await log.close();
  }
}

function daemonError(paths: InstancePaths, what: string): VsbError {
  return new VsbError('E_DAEMON', `the daemon cannot be started: ${what}`, {
    hint: '`vsbypass logs daemon` may tell more.',
    details: { log: paths.daemonLog },
  });
}
