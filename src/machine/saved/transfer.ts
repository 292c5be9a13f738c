/**
 * Brings the state of QEMU's machine to a file and back: as a migration over a UNIX socket, through
 * zstd. Unlike `savevm` it needs no disk of a format with snapshots, leaves pages of zeroes out, and
 * QEMU itself starts no program and opens no file (its sandbox forbids the former).
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import { z } from 'zod';

import { VsbError, messageOf } from '../../base/errors.js';
import { QmpCommandError, type QmpClient } from '../../host/qmp.js';
import { UuidFinder, encode, type Piece, type Place, type Uuids } from './uuids.js';

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

/** Where in the file a UUID is: a frame of zstd's of its own, not compressed. */
export interface PlaceInFile extends Place {
  readonly offset: number;
}

/**
 * Writes the state, for zstd to read as a whole; the machine must be stopped, and can go on however this ends.
 *
 * @param uuids those whose places are to be known
 * @throws VsbError E_QMP, E_PACKAGE_MISSING (zstd), E_NO_SPACE; the signal's reason
 */
export async function saveState(
  options: TransferOptions & { readonly uuids?: Uuids },
): Promise<PlaceInFile[]> {
  const { qmp, socketPath, file, signal, uuids = {} } = options;
  await rm(socketPath, { force: true });
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
    return await migrating(qmp, socketPath, signal, async () => {
      const [socket] = await connected;
      const packed = packPieces(socket, handle, new UuidFinder(uuids), signal);
      const [, places] = await Promise.all([
        migrated(qmp, signal),
        packed.finally(() => socket.destroy()),
      ]);
      await handle.sync();
      return places;
    });
  } finally {
    server.close();
    await handle.close();
    await rm(socketPath, { force: true });
  }
}

/** One that fails is cancelled, since it would hold the machine; but not another's, for which QEMU has refused this one. */
async function migrating<T>(
  qmp: QmpClient,
  socketPath: string,
  signal: AbortSignal,
  take: () => Promise<T>,
): Promise<T> {
  try {
    await qmp.execute('migrate', { uri: `unix:${socketPath}` }, { signal });
    return await take();
  } catch (error) {
    if (!(error instanceof QmpCommandError)) {
      await qmp.execute('migrate_cancel').catch(() => undefined);
    }
    throw error;
  }
}

/** Compresses what is between the places, and writes these as they are. */
async function packPieces(
  socket: Socket,
  file: FileHandle,
  finder: UuidFinder,
  signal: AbortSignal,
): Promise<PlaceInFile[]> {
  const places: PlaceInFile[] = [];
  let zstd: Zstd | undefined;
  const take = async ({ bytes, place }: Piece): Promise<void> => {
    if (place === undefined) {
      zstd ??= new Zstd([level, '--quiet', '-T0'], ['pipe', file.fd, 'pipe'], signal);
      await zstd.write(bytes);
      return;
    }
    await zstd?.end();
    zstd = undefined;
    places.push({ ...place, offset: (await file.stat()).size });
    await file.write(frameOf(bytes));
  };
  try {
    for await (const chunk of socket) {
      for (const piece of finder.push(chunk as Buffer)) await take(piece);
    }
    for (const piece of finder.end()) await take(piece);
    await zstd?.end();
    return places;
  } finally {
    zstd?.kill();
  }
}

/** A frame of zstd's with one block that is not compressed (RFC 8878, 3.1.1), for less than 256 bytes. */
export function frameOf(bytes: Buffer): Buffer {
  const singleSegment = 0x20;
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUInt32LE(0xfd2fb528, 0);
  header.writeUInt8(singleSegment, 4);
  header.writeUInt8(bytes.length, 5);
  // The last block, raw.
  header.writeUIntLE(1 | (bytes.length << 3), 6, 3);
  return Buffer.concat([header, bytes]);
}

const frameHeaderBytes = 9;

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

export interface Exchange {
  readonly places: readonly PlaceInFile[];
  /** What is to stand there. */
  readonly uuids: Uuids;
}

/**
 * Gives the state to a QEMU that was started with {@link incomingArguments}; the machine is paused then.
 *
 * @throws as saveState; E_QEMU_EXITED when QEMU does not take it
 */
export async function restoreState(
  options: TransferOptions & { readonly exchange?: Exchange },
): Promise<void> {
  const { qmp, socketPath, file, signal, exchange = { places: [], uuids: {} } } = options;
  const handle = await open(file, 'r');
  const socket = createConnection(socketPath);
  socket.on('error', () => undefined); // zstd and QMP tell.
  try {
    await once(socket, 'connect', { signal });
    socket.pause();
    const zstd = new Zstd(
      ['--decompress', '--quiet', '--stdout'],
      ['pipe', socket, 'pipe'],
      signal,
    );
    try {
      for await (const bytes of exchanged(handle, exchange)) await zstd.write(bytes);
      await zstd.end();
    } finally {
      zstd.kill();
    }
    socket.destroy();
    await loaded(qmp, signal);
  } finally {
    socket.destroy();
    await handle.close();
  }
}

/** The file, with other UUIDs in the places. */
async function* exchanged(file: FileHandle, { places, uuids }: Exchange): AsyncGenerator<Buffer> {
  let at = 0;
  for (const { name, form, offset } of places) {
    const uuid = uuids[name];
    if (uuid === undefined) throw new TypeError('the state is of a testbed with the same user VMs');
    yield* pieces(file, at, offset);
    const frame = frameOf(encode(uuid, form));
    yield frame;
    at = offset + frame.length;
  }
  yield* pieces(file, at, (await file.stat()).size);
}

const pieceBytes = 1_048_576;

async function* pieces(file: FileHandle, from: number, to: number): AsyncGenerator<Buffer> {
  for (let at = from; at < to;) {
    const length = Math.min(pieceBytes, to - at);
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
    // Shorter than it was: zstd will say so.
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
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

/** A zstd that reads what is written here. */
class Zstd {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #ended: Promise<void>;
  #complaints = '';

  constructor(words: readonly string[], stdio: StdioOptions, signal: AbortSignal) {
    this.#signal = signal;
    this.#child = spawn('zstd', words, { stdio, signal });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#complaints = (this.#complaints + chunk.toString()).slice(-keptComplaints);
    });
    // How it ended says more than that it takes nothing any more.
    this.#child.stdin?.on('error', () => undefined);
    this.#ended = this.#end();
    // Nobody may be waiting yet.
    this.#ended.catch(() => undefined);
  }

  /** Returns when there is room for more, or nobody to take it. */
  async write(bytes: Buffer): Promise<void> {
    const { stdin } = this.#child;
    if (stdin === null) throw new TypeError('its standard input is a pipe');
    if (stdin.destroyed || stdin.write(bytes)) return;
    const drained = new Promise((resolve) => stdin.once('drain', resolve));
    await Promise.race([drained, this.#ended]);
  }

  /** @throws VsbError E_PACKAGE_MISSING, E_NO_SPACE, E_QMP; the signal's reason */
  async end(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }

  /** If it still runs. */
  kill(): void {
    this.#child.kill();
  }

  async #end(): Promise<void> {
    let code: number | null;
    let killedBy: NodeJS.Signals | null;
    try {
      [code, killedBy] = (await once(this.#child, 'close')) as [
        number | null,
        NodeJS.Signals | null,
      ];
    } catch (error) {
      this.#signal.throwIfAborted();
      throw new VsbError('E_PACKAGE_MISSING', `cannot start zstd: ${messageOf(error)}`, {
        hint: 'apt-get install zstd',
        cause: error,
      });
    }
    // Who takes the state closes as soon as he has all that he wants of it; whether he is content, he says himself.
    if (code === 0 || killedBy === 'SIGPIPE') return;
    const full = this.#complaints.includes('No space left');
    throw new VsbError(
      full ? 'E_NO_SPACE' : 'E_QMP',
      `zstd failed: ${this.#complaints.trim() || killedBy}`,
      { layer: 'L0' },
    );
  }
}
