/** What the installed QEMU is, asked without a guest. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Duplex } from 'node:stream';

import { VsbError, messageOf } from '../base/errors.js';
import { stretched } from '../base/machine-pace.js';
import type { QemuVersion } from '../formats/qmp.js';
import { QmpClient } from './qmp.js';

export const qemuProgram = 'qemu-system-x86_64';
/** bookworm's; older ones were never tried. */
export const oldestQemu = { major: 7, minor: 2 } as const;

/** How long a QEMU that lives may say nothing; one that dies is noticed at once. */
export const answerLimitMs = 10_000;

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  readonly program?: string;
}

/**
 * Asks QEMU for its version.
 *
 * @throws VsbError E_QEMU_MISSING, E_QMP when QEMU cannot be asked
 */
export async function probeQemu(options: ProbeOptions = {}): Promise<QemuVersion> {
  return await withProbe('none,accel=tcg', options, (qmp) => Promise.resolve(qmp.version));
}

/**
 * Runs a QEMU without a guest, its QMP on standard input and output, for as long as `ask` takes.
 *
 * @throws VsbError E_QEMU_MISSING; E_QMP with what QEMU complains about, or when it does not answer in time
 */
export async function withProbe<T>(
  machine: string,
  options: ProbeOptions,
  ask: (qmp: QmpClient) => Promise<T>,
): Promise<T> {
  const child = spawn(
    options.program ?? qemuProgram,
    [
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-machine',
      machine,
      '-S',
      '-qmp',
      'stdio',
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let complaints = '';
  child.stderr.on(
    'data',
    (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-500)),
  );
  const exited = once(child, 'close').catch(() => undefined);
  const started = once(child, 'spawn');
  try {
    await started;
  } catch (error) {
    throw new VsbError('E_QEMU_MISSING', `cannot start ${qemuProgram}: ${messageOf(error)}`, {
      hint: 'apt-get install qemu-system-x86',
      cause: error,
    });
  }
  try {
    const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
    const qmp = await QmpClient.attach(stream, {
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? stretched(answerLimitMs),
    });
    try {
      return await ask(qmp);
    } finally {
      qmp.close();
    }
  } catch (error) {
    child.kill('SIGKILL');
    await exited;
    const why = complaints.trim().split('\n')[0];
    if (why === undefined || why === '' || options.signal?.aborted === true) throw error;
    throw new VsbError('E_QMP', why, { cause: error });
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

/** @throws VsbError E_QEMU_TOO_OLD */
export function assertQemuVersion(version: QemuVersion): void {
  const { major, minor } = oldestQemu;
  if (version.major > major || (version.major === major && version.minor >= minor)) return;
  throw new VsbError(
    'E_QEMU_TOO_OLD',
    `QEMU ${version.major}.${version.minor}.${version.micro} is too old, ${major}.${minor} is needed`,
    { hint: 'Debian 12 and later bring a new enough qemu-system-x86.' },
  );
}
