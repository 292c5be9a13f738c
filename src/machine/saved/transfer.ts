/**
 * Brings the state of QEMU's machine to a file and back: as a migration over a UNIX socket, through
 * zstd. Unlike `savevm` it needs no disk of a format with snapshots, leaves pages of zeroes out, and
 * QEMU itself starts no program and opens no file (its sandbox forbids the former).
 */
import { spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import { z } from 'zod';

import { VsbError, messageOf } from '../../base/errors.js';
import type { QmpClient } from '../../host/qmp.js';

/** Level 1: measured as the one that costs least time; 3 saves a tenth of the size for twice the time. */
const level = '-1';
const pollMs = 25;
/** Of what zstd says, characters. */
const keptComplaints = 500;

export interface TransferOptions {
  readonly qmp: QmpClient;
  /** In the instance's private runtime folder. */
  readonly socketPath: string;
  readonly file: string;
  readonly signal: AbortSignal;
}

/**
 * Writes the state; the machine must be stopped.
 *
 * @throws VsbError E_QMP, E_PACKAGE_MISSING (zstd), E_NO_SPACE; the signal's reason
 */
export async function saveState(options: TransferOptions): Promise<void> {
  const { qmp, socketPath, file, signal } = options;
  await rm(socketPath, { force: true });
  // What comes belongs to zstd: nothing of it may be read here.
  const server = createServer({ pauseOnConnect: true });
  const handle = await open(file, 'wx', 0o600);
  try {
    server.listen(socketPath);
    await once(server, 'listening', { signal });
    const connected = once(server, 'connection', { signal }) as Promise<[Socket]>;
    // If QEMU refuses, nobody waits for it any more, and the signal may still end it: that must not end the daemon.
    connected.catch(() => undefined);
    const unlimited = { 'max-bandwidth': Number.MAX_SAFE_INTEGER };
    await qmp.execute('migrate-set-parameters', unlimited, { signal });
    await qmp.execute('migrate', { uri: `unix:${socketPath}` }, { signal });
    const [socket] = await connected;
    const packed = pack([level, '--quiet', '-T0'], [socket, handle.fd, 'pipe'], signal);
    await Promise.all([migrated(qmp, signal), packed.finally(() => socket.destroy())]);
    await handle.sync();
  } finally {
    server.close();
    await handle.close();
    await rm(socketPath, { force: true });
  }
}

const migrationSchema = z.object({ status: z.string(), 'error-desc': z.string().optional() });

async function migrated(qmp: QmpClient, signal: AbortSignal): Promise<void> {
  for (;;) {
    const answer = migrationSchema.parse(await qmp.execute('query-migrate', {}, { signal }));
    if (answer.status === 'completed') return;
    if (answer.status === 'failed' || answer.status === 'cancelled') {
      const why = answer['error-desc'] ?? answer.status;
      throw new VsbError('E_QMP', `QEMU cannot save its state: ${why}`, { layer: 'L0' });
    }
    await delay(pollMs, undefined, { signal });
  }
}

/** The option with which QEMU is started to take a state. */
export function incomingArguments(socketPath: string): string[] {
  return ['-incoming', `unix:${socketPath.replaceAll(',', ',,')}`];
}

/**
 * Gives the state to a QEMU that was started with {@link incomingArguments}; the machine is paused then.
 *
 * @throws as saveState; E_QEMU_EXITED when QEMU does not take it
 */
export async function restoreState(options: TransferOptions): Promise<void> {
  const { qmp, socketPath, file, signal } = options;
  const handle = await open(file, 'r');
  const socket = createConnection(socketPath);
  socket.on('error', () => undefined); // zstd and QMP tell.
  try {
    await once(socket, 'connect', { signal });
    socket.pause();
    await pack(['--decompress', '--quiet', '--stdout'], [handle.fd, socket, 'pipe'], signal);
    socket.destroy();
    await loaded(qmp, signal);
  } finally {
    socket.destroy();
    await handle.close();
  }
}

const runSchema = z.object({ status: z.string() });

async function loaded(qmp: QmpClient, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { status } = runSchema.parse(await qmp.execute('query-status', {}, { signal }));
    if (status !== 'inmigrate') return;
    await delay(pollMs, undefined, { signal });
  }
}

async function pack(
  words: readonly string[],
  stdio: StdioOptions,
  signal: AbortSignal,
): Promise<void> {
  const child = spawn('zstd', words, { stdio, signal });
  let complaints = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-keptComplaints);
  });
  let code: number | null;
  let killedBy: NodeJS.Signals | null;
  try {
    [code, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  } catch (error) {
    signal.throwIfAborted();
    throw new VsbError('E_PACKAGE_MISSING', `cannot start zstd: ${messageOf(error)}`, {
      hint: 'apt-get install zstd',
      cause: error,
    });
  }
  // Who takes the state closes as soon as he has all that he wants of it; whether he is content, he says himself.
  if (code === 0 || killedBy === 'SIGPIPE') return;
  const full = complaints.includes('No space left');
  throw new VsbError(
    full ? 'E_NO_SPACE' : 'E_QMP',
    `zstd failed: ${complaints.trim() || killedBy}`,
    {
      layer: 'L0',
    },
  );
}
