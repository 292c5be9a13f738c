/**
 * The consoles of L1 and L2: the machine of L0 listens on a socket for each, and only while somebody reads them is
 * there any output to keep. A daemon that takes over a living machine connects to them again.
 */
import { once } from 'node:events';
import { createConnection } from 'node:net';
import type { Writable } from 'node:stream';

import { VsbError, messageOf } from '../base/errors.js';
import type { LayerLog } from './layer-log.js';
import type { Running } from './running.js';

/** @throws VsbError E_QEMU_EXITED when it does not listen; the signal's reason */
export async function connectConsoles(running: Running, signal: AbortSignal): Promise<void> {
  const { paths, failed } = running;
  const complain = (text: string): void => running.log(text);
  const options = { signal, until: failed.signal, complain };
  running.l1Console = await connectConsole(running.l1, paths.l1Socket, options);
  // A machine may run as soon as this one is connected.
  await connectConsole(running.l2, paths.l2Socket, options);
}

/** One of them: all that comes there goes to the log, until `until` aborts. @returns what may be typed into */
export async function connectConsole(
  log: LayerLog,
  path: string,
  options: {
    readonly signal: AbortSignal;
    readonly until: AbortSignal;
    readonly complain: (text: string) => void;
  },
): Promise<Writable> {
  const { signal, until, complain } = options;
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
  socket.on('error', (error) => complain(`console ${path}: ${messageOf(error)}`));
  log.readFrom(socket);
  until.addEventListener('abort', () => socket.destroySoon(), { once: true });
  return socket;
}
