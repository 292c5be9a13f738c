import { once } from 'node:events';
import { PassThrough } from 'node:stream';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { ServerMode } from '../../src/config/interrupts.js';
import type { IrqMode } from '../../src/config/schema.js';
import type { RemoteCommand } from '../../src/host/ssh.js';
import { InterruptPath } from '../../src/machine/interrupt-path.js';

/** A server in L2, as the daemon sees it. */
class FakeServer {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  destroyed = false;
  end: (code?: number) => void = () => undefined;
  readonly command: RemoteCommand;

  constructor(readonly mode: ServerMode) {
    const channel = Object.assign(this.stdout, {
      stderr: this.stderr,
      write: (text: string) => this.stdin.write(text),
    });
    const closed = new Promise<number | undefined>((resolve) => (this.end = resolve));
    this.command = {
      channel: channel as unknown as RemoteCommand['channel'],
      closed,
      destroy: () => {
        this.destroyed = true;
        this.end();
      },
    };
  }

  say(text: string): void {
    this.stdout.push(text);
  }
}

let modes: IrqMode[];
let brought: number;
let servers: FakeServer[];
let logged: string[];
let path: InterruptPath;
/** What a new server does. */
let begin: (server: FakeServer) => void;
let onServer: () => void;
/** A server that has ended is about to be brought again. */
let onBring: () => void;
const { signal } = new AbortController();

beforeEach(() => {
  modes = [];
  brought = 0;
  servers = [];
  logged = [];
  begin = (server) => server.say('ready\n');
  onServer = () => undefined;
  onBring = () => undefined;
  path = new InterruptPath({
    serverless: 'doorbell',
    setMode: (mode) => {
      modes.push(mode);
      return Promise.resolve();
    },
    bring: () => {
      brought++;
      onBring();
      return Promise.resolve();
    },
    open: (mode) => {
      const server = new FakeServer(mode);
      servers.push(server);
      setImmediate(() => {
        begin(server);
        onServer();
      });
      return Promise.resolve(server.command);
    },
    log: (text) => logged.push(text),
    limitMs: 10_000,
    restartMs: 1,
  });
});
afterEach(() => path.close());

const nextServer = async (): Promise<FakeServer> => {
  const count = servers.length;
  await new Promise<void>((resolve) => (onServer = resolve));
  const server = servers[count];
  if (server === undefined) throw new Error('there is a new server');
  return server;
};
/** Lets what is ready to run do so. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe('InterruptPath.switchTo', () => {
  it('brings the server, has L1 expect its calls, and waits until it is ready', async () => {
    await path.switchTo('ultracall', signal);
    expect({ brought, modes, servers: servers.map(({ mode }) => mode) }).toEqual({
      brought: 1,
      modes: ['doorbell', 'ultracall'],
      servers: ['ultracall'],
    });
    expect(path.health()).toEqual([
      { layer: 'irq-server', state: 'ok', detail: 'serves ultracall' },
    ]);
  });

  it('ends the server of the path before', async () => {
    await path.switchTo('ultracall', signal);
    await path.switchTo('net', signal);
    expect(servers.map(({ mode, destroyed }) => ({ mode, destroyed }))).toEqual([
      { mode: 'ultracall', destroyed: true },
      { mode: 'net', destroyed: false },
    ]);
    await path.switchTo('doorbell', signal);
    expect(modes.at(-1)).toBe('doorbell');
    expect(servers.every(({ destroyed }) => destroyed)).toBe(true);
    expect(path.health()).toEqual([]);
  });

  it('does without a server as it did before it had one', async () => {
    await path.switchTo('direct', signal);
    await path.switchTo('net', signal);
    expect(modes).toEqual(['direct', 'direct', 'net']);
    let meanwhile: unknown;
    onBring = () => (meanwhile = { wanted: path.wanted, active: path.active });
    const again = nextServer();
    servers[0]?.end(1);
    await again;
    expect(meanwhile).toEqual({ wanted: 'net', active: 'direct' });
    expect(modes).toEqual(['direct', 'direct', 'net', 'direct', 'net']);
  });

  it('goes back to the doorbell and tells why when the server does not start', async () => {
    begin = (server) => {
      server.stderr.write('irq-server: ultracalls need a second CPU\n');
      setImmediate(() => server.end(1));
    };
    await expect(path.switchTo('ultracall', signal)).rejects.toMatchObject({
      code: 'E_IRQ_SERVER',
      message: expect.stringContaining('need a second CPU') as unknown,
    });
    expect({ wanted: path.wanted, active: path.active, last: modes.at(-1) }).toEqual({
      wanted: 'doorbell',
      active: 'doorbell',
      last: 'doorbell',
    });
  });

  it('refuses while it is switching', async () => {
    const first = path.switchTo('net', signal);
    await expect(path.switchTo('ultracall', signal)).rejects.toMatchObject({ code: 'E_BUSY' });
    await first;
  });

  it('gives up when the caller does', async () => {
    begin = () => undefined;
    const abort = new AbortController();
    onServer = () => abort.abort(new Error('enough'));
    await expect(path.switchTo('net', abort.signal)).rejects.toThrow('enough');
    expect(path.active).toBe('doorbell');
    expect(servers[0]?.destroyed).toBe(true);
  });
});

describe('a server that ends', () => {
  it('is started again; meanwhile L1 rings the doorbell', async () => {
    await path.switchTo('net', signal);
    const again = nextServer();
    let states: string[] = [];
    begin = (server) => {
      states = path.health().map(({ state }) => state);
      server.say('ready\n');
    };
    servers[0]?.stderr.write('it fell \x1b[31mover\n');
    await settled();
    servers[0]?.end(1);
    await again;
    await settled();
    expect(modes).toEqual(['doorbell', 'net', 'doorbell', 'net']);
    expect(path.active).toBe('net');
    expect(path.restarts).toBe(1);
    expect(path.health().map(({ state }) => state)).toEqual(['ok']);
    expect(states).toEqual(['failing']);
    expect(logged[0]).toBe('interrupt server: ended it fell  [31mover');
  });

  it('shows as failing until it is back', async () => {
    await path.switchTo('net', signal);
    const again = nextServer();
    begin = (server) => server.end(1);
    servers[0]?.end(1);
    await again;
    await settled();
    expect(path.health()).toMatchObject([{ layer: 'irq-server', state: 'failing' }]);
    expect(path.active).toBe('doorbell');
    begin = (server) => server.say('ready\n');
    await nextServer();
    await settled();
    expect(path.health()).toMatchObject([{ state: 'ok' }]);
  });

  it('stays away when it is not wanted any more', async () => {
    await path.switchTo('net', signal);
    path.close();
    await settled();
    expect(servers.length).toBe(1);
  });
});

describe('InterruptPath.tell', () => {
  const uuid = '0b8f1c7e-5d2a-4c3b-9e6f-a1b2c3d4e5f6';

  it('writes a line for the server', async () => {
    await path.switchTo('net', signal);
    path.tell(uuid, true);
    const [told] = (await once(servers[0]?.stdin ?? new PassThrough(), 'data')) as [Buffer];
    expect(told.toString()).toBe(`${uuid} 1\n`);
  });

  it('has nobody to tell on the other paths', async () => {
    path.tell(uuid, true);
    await path.switchTo('ultracall', signal);
    path.tell(uuid, true);
    expect(servers[0]?.stdin.readableLength).toBe(0);
  });
});
