import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import {
  createConnection,
  createServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { listeningSockets } from '../../src/host/process-sockets.js';

let directory: string;
let servers: Server[];
let clients: Socket[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-sockets-'));
  servers = [];
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  for (const server of servers) server.close();
  await rm(directory, { recursive: true, force: true });
});

async function listen(...where: [string] | [number, string]): Promise<Server> {
  const server = createServer();
  servers.push(server);
  (server.listen as (...where: unknown[]) => void).apply(server, where);
  await once(server, 'listening');
  return server;
}

describe('listeningSockets', () => {
  it('finds those that take connections, ports in the order of their descriptors', async () => {
    const path = join(directory, 'a socket');
    const unix = await listen(path);
    const first = (await listen(0, '127.0.0.1')).address() as AddressInfo;
    const second = (await listen(0, '127.0.0.1')).address() as AddressInfo;
    const accepted = once(unix, 'connection') as Promise<[Socket]>;
    clients.push(createConnection(path), (await accepted)[0]);

    const found = await listeningSockets(process.pid);
    expect(found.unix.filter((one) => one === path)).toHaveLength(1);
    const ports = found.tcp.filter((port) => [first.port, second.port].includes(port));
    expect(ports).toEqual([first.port, second.port]);
  });

  it('finds none of a process that is gone', async () => {
    expect(await listeningSockets(2 ** 22 + 1)).toEqual({ unix: [], tcp: [] });
  });
});
