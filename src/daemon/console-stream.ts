/** A VM's console on a connection of the control socket: raw bytes, without SSH, for programs of the same user. */
import { once } from 'node:events';
import type { Socket } from 'node:net';

import type { VmConsole } from '../console/hub/vm-console.js';

/** Joins the two until either ends. What the socket is too slow for is missed, as in every session. */
export async function serveConsole(socket: Socket, console: VmConsole): Promise<void> {
  const session = console.openSession({
    ...{ mode: 'rw', label: 'control socket', from: 'now', take: true },
  });
  const gone = new AbortController();
  socket.on('data', (bytes: Buffer) => {
    try {
      if (!session.write(bytes)) socket.pause();
    } catch {
      // Somebody else types now, or the session is over.
      socket.destroy();
    }
  });
  session.on('drain', () => socket.resume());
  socket.on('end', () => session.close());
  socket.once('close', () => {
    gone.abort();
    session.close();
  });
  try {
    for await (const { bytes } of session.chunks(gone.signal)) {
      if (!socket.write(bytes)) await once(socket, 'drain', { signal: gone.signal });
    }
    socket.end();
  } catch {
    // The socket went, and the session with it.
  }
}
