import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { parseConfig } from '../../src/config/load.js';
import type { InstanceStatus } from '../../src/contract/status.js';
import { ControlServer, type Handlers } from '../../src/daemon/server.js';
import { callDaemon } from '../../src/instance/client.js';
import { tcgCpuModel } from '../../src/host/cpu-model.js';

const status: InstanceStatus = {
  schemaVersion: 1,
  name: 'default',
  state: 'running',
  processes: {},
  vms: [],
};
const upRequest = {
  config: parseConfig('{}', 'f'),
  accel: { accel: 'tcg', why: 'a test', cpu: tcgCpuModel() },
  images: { xen: '/x', l1: '/l', l2: '/d' },
} as const;
const refuse = (): Promise<never> => Promise.reject(new Error('not in this test'));

let directory: string;
let path: string;
let server: ControlServer | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-control-'));
  path = join(directory, 'control.sock');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(directory, { recursive: true, force: true });
});

async function serve(handlers: Partial<Handlers>): Promise<void> {
  server = await ControlServer.listen(path, {
    up: refuse,
    down: refuse,
    status: () => Promise.resolve(status),
    'vm.start': refuse,
    'vm.stop': refuse,
    'vm.list': refuse,
    'vm.hook': refuse,
    'console.grant': refuse,
    'console.revoke': refuse,
    'console.grants': refuse,
    'vm.hlt': refuse,
    'console.attach': refuse,
    pause: refuse,
    'irq.set': refuse,
    'snapshot.save': refuse,
    counters: refuse,
    proof: refuse,
    'vm.operator-log': refuse,
    ...handlers,
  });
}

describe('callDaemon', () => {
  it('returns what the handler returns, after its events', async () => {
    const event = {
      type: 'phase',
      reason: 'started',
      phase: 'qemu',
      layer: 'L0',
      awaited: 'QMP',
      limitMs: 1,
    } as const;
    await serve({
      up: (_, context) => {
        context.emit(event);
        return Promise.resolve(status);
      },
    });
    const events: unknown[] = [];
    const result = await callDaemon(path, 'up', upRequest, {
      onEvent: (received) => events.push(received),
    });
    expect(result).toEqual(status);
    expect(events).toEqual([event]);
  });

  it('throws the error of the daemon with code, hint, layer and details', async () => {
    await serve({
      down: () =>
        Promise.reject(
          new VsbError('E_LAYER_TIMEOUT', 'late', {
            layer: 'L2',
            hint: 'wait',
            details: { lastLines: ['a'] },
          }),
        ),
    });
    await expect(callDaemon(path, 'down', {})).rejects.toMatchObject({
      code: 'E_LAYER_TIMEOUT',
      exitCode: 4,
      message: 'late',
      layer: 'L2',
      hint: 'wait',
      details: { lastLines: ['a'] },
    });
  });

  it('takes what is not a VsbError for a bug of the daemon', async () => {
    await serve({});
    await expect(callDaemon(path, 'down', {})).rejects.toMatchObject({ code: 'E_INTERNAL' });
  });

  it('says that no daemon runs', async () => {
    await expect(callDaemon(path, 'status', {})).rejects.toMatchObject({
      code: 'E_DAEMON_GONE',
      message: 'no daemon runs',
    });
  });

  it('notices a daemon that is killed before it answers', async () => {
    const dying = createServer((socket) => socket.once('data', () => socket.destroy()));
    dying.listen(path);
    await once(dying, 'listening');
    await expect(callDaemon(path, 'status', {})).rejects.toMatchObject({ code: 'E_DAEMON_GONE' });
    dying.close();
  });

  it('gives up at its deadline', async () => {
    await serve({ status: () => new Promise(() => undefined) });
    await expect(callDaemon(path, 'status', {}, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'E_DEADLINE',
      exitCode: 124,
    });
  });
});

describe('ControlServer', () => {
  it('tells the handler when its client goes away', async () => {
    const happened = new EventEmitter();
    const started = once(happened, 'started');
    const gone = once(happened, 'gone');
    await serve({
      up: (_, { signal }) => {
        signal.addEventListener('abort', () => happened.emit('gone', signal.reason));
        happened.emit('started');
        return new Promise(() => undefined);
      },
    });
    const abort = new AbortController();
    const call = callDaemon(path, 'up', upRequest, { signal: abort.signal });
    await started;
    abort.abort(new VsbError('E_INTERRUPTED', 'Ctrl-C'));
    await expect(call).rejects.toMatchObject({ code: 'E_INTERRUPTED' });
    expect(await gone).toMatchObject([{ message: 'the client went away' }]);
  });

  it('refuses parameters that do not fit, before any handler runs', async () => {
    await serve({});
    await expect(callDaemon(path, 'vm.start', { vm: '../x; reboot' })).rejects.toMatchObject({
      code: 'E_DAEMON',
      message: expect.stringContaining('vm.start') as string,
    });
  });

  it.each(['garbage\n', '{"id": "x"}\n', '[]\n'])('drops a client that says %j', async (text) => {
    await serve({});
    const socket = createConnection(path);
    socket.write(text);
    await once(socket, 'close');
  });
});
