/**
 * The consoles of L1 and L2: QEMU listens on a socket for each, and only while somebody reads them is
 * there any output to keep. A daemon that takes over a living QEMU connects to them again.
 */
import { once } from 'node:events';
import { createConnection } from 'node:net';

import { VsbError, messageOf } from '../errors/index.js';
import type { LayerLog } from './layer-log.js';
import type { Running } from './running.js';

/** @throws VsbError E_QEMU_EXITED when QEMU does not listen; the signal's reason */
export async function connectConsoles(running: Running, signal: AbortSignal): Promise<void> {
  const { paths } = running;
  await Promise.all([
    connectConsole(running, running.l1, paths.l1Socket, signal),
    connectConsole(running, running.l2, paths.l2Socket, signal),
  ]);
}

async function connectConsole(
  running: Running,
  log: LayerLog,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const socket = createConnection(path);
  try {
    await once(socket, 'connect', { signal });
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw new VsbError('E_QEMU_EXITED', `no console at ${path}: ${messageOf(error)}`, {
      layer: 'L0',
      cause: error,
    });
  }
  socket.on('error', (error) => running.log(`console ${path}: ${messageOf(error)}`));
  log.readFrom(socket);
  running.failed.signal.addEventListener('abort', () => socket.destroySoon(), { once: true });
}
