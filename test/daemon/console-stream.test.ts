import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { connectLocal } from '../../src/console/client/local-client.js';
import { VmConsole } from '../../src/console/hub/vm-console.js';
import { serveConsole } from '../../src/daemon/console-stream.js';

const never = new AbortController().signal;
let directory: string;
let path: string;
let server: Server;
let console_: VmConsole;
let answer: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-stream-'));
  path = join(directory, 'control.sock');
  console_ = new VmConsole('vm1', 65_536);
  answer = '{"id":1,"result":{}}\n';
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(answer);
      void serveConsole(socket, console_);
    });
  });
  server.listen(path);
  await once(server, 'listening');
});
afterEach(async () => {
  console_.endSessions('hub-closed');
  server.close();
  await rm(directory, { recursive: true, force: true });
});

describe('connectLocal', () => {
  it('shows what the VM prints from now on, as it is', async () => {
    console_.output(Buffer.from('before'));
    const socket = await connectLocal(path, 'vm1', never);
    await expect.poll(() => console_.sessionCount).toBe(1);
    console_.output(Buffer.from([0, 0xff, 0x0a, 0x0d]));
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    expect([...bytes]).toEqual([0, 0xff, 0x0a, 0x0d]);
    socket.destroy();
    await expect.poll(() => console_.sessionCount).toBe(0);
  });

  it('keeps output that comes together with the answer', async () => {
    answer += 'early';
    const socket = await connectLocal(path, 'vm1', never);
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    expect(bytes.toString()).toBe('early');
    socket.destroy();
  });

  it('ends when the console does', async () => {
    const socket = await connectLocal(path, 'vm1', never);
    await expect.poll(() => console_.sessionCount).toBe(1);
    socket.resume();
    console_.endSessions('vm-gone');
    await once(socket, 'end');
  });

  it('says what the daemon says', async () => {
    answer = '{"id":1,"error":{"code":"E_VM_UNKNOWN","message":"no such VM"}}\n';
    await expect(connectLocal(path, 'vm9', never)).rejects.toThrow('no such VM');
    await expect(connectLocal(join(directory, 'none'), 'vm1', never)).rejects.toMatchObject({
      code: 'E_DAEMON_GONE',
    });
  });
});
