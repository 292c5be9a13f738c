/** The console of a VM from the daemon's control socket: its bytes as the hub has them, without SSH. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';

import { VsbError, messageOf } from '../../base/errors.js';
import { replySchema } from '../../contract/control.js';

/** How long the daemon may take to answer, milliseconds. */
const answerMs = 5000;
/** Its answer is far shorter. */
const maximumAnswer = 64 * 1024;

/**
 * Opens it; what comes is what the VM prints from now on. The signal cuts the connection.
 * @throws VsbError E_DAEMON_GONE, E_DAEMON; the signal's reason
 */
export async function connectLocal(
  controlSocket: string,
  vm: string,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  const socket = createConnection(controlSocket);
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', onAbort));
  try {
    await once(socket, 'connect');
    const request = { id: 1, method: 'console.attach', params: { vm } };
    socket.write(`${JSON.stringify(request)}\n`);
    const reply = replySchema.parse(JSON.parse(await readLine(socket)));
    if ('error' in reply) throw new VsbError('E_DAEMON', reply.error.message);
    socket.setNoDelay(true);
    return socket;
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    if (error instanceof VsbError) throw error;
    throw new VsbError('E_DAEMON_GONE', `no console from the daemon: ${messageOf(error)}`);
  }
}

/** The first line; what came after it stays to be read. */
async function readLine(socket: Socket): Promise<string> {
  const limit = AbortSignal.timeout(answerMs);
  let text = Buffer.alloc(0);
  while (text.length < maximumAnswer) {
    const end = text.indexOf(0x0a);
    if (end >= 0) {
      if (end + 1 < text.length) socket.unshift(text.subarray(end + 1));
      return text.subarray(0, end).toString();
    }
    await once(socket, 'readable', { signal: limit });
    text = Buffer.concat([text, (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
    if (socket.readableEnded) throw new Error('the connection was closed');
  }
  throw new Error('no answer in one line');
}
