/** A machine's state on its way to a file and back. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm, stat, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { QmpClient, QmpCommandError } from '../../../src/host/qmp.js';
import { restoreState, saveState } from '../../../src/machine/saved/transfer.js';
import { encode } from '../../../src/machine/saved/uuids.js';
import type { InstancePaths } from '../../../src/state/paths.js';
import { FakeQmp } from '../../rig/fake-qmp.js';
import { temporaryInstance } from '../../rig/temporary-instance.js';

let directory: string;
let paths: InstancePaths;

beforeEach(async () => {
  ({ directory, paths } = await temporaryInstance());
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('saveState and restoreState', () => {
  it('bring all bytes to a file and back, with other UUIDs where that is wanted', async () => {
    // A UUID at the end of one read and the beginning of the next is found, too.
    const own = '11111111-2222-8333-8444-aabbccddeeff';
    const other = '55555555-6666-8777-8888-001122334455';
    const memoryWith = (uuid: string): Buffer =>
      Buffer.concat([
        noise,
        encode(uuid, 'smbios'),
        Buffer.alloc(3_000_000),
        ...Array.from({ length: 4 }, () => [Buffer.alloc(4098, 'x '), encode(uuid, 'text')]).flat(),
        encode(uuid, 'rfc'),
      ]);
    const noise = randomBytes(300_000);
    const memory = memoryWith(own);
    const fake = await FakeQmp.start();
    const connecting = QmpClient.connect(fake.path);
    await fake.handshake();
    const qmp = await connecting;
    const file = join(directory, 'state.zst');
    const { stateSocket: socketPath } = paths;
    const signal = AbortSignal.timeout(10_000);

    const saving = saveState({ qmp, socketPath, file, signal, uuids: { vm1: own } });
    await fake.send({ return: {}, id: (await fake.command()).id });
    const migrate = await fake.command();
    expect(migrate.arguments).toEqual({ uri: `unix:${socketPath}` });
    createConnection(socketPath).end(memory);
    await fake.send({ return: {}, id: migrate.id });
    await fake.send({ return: { status: 'completed' }, id: (await fake.command()).id });
    const places = await saving;
    expect(places.map(({ form }) => form)).toEqual([
      'smbios',
      ...Array<string>(4).fill('text'),
      'rfc',
    ]);
    expect((await stat(file)).size).toBeLessThan(400_000);
    expect(spawnSync('zstd', ['-dc', file], { maxBuffer: 1e8 }).stdout.equals(memory)).toBe(true);

    for (const uuid of [own, other]) {
      const received: Buffer[] = [];
      const server = createServer((socket) => socket.on('data', (chunk) => received.push(chunk)));
      server.listen(socketPath);
      await once(server, 'listening');
      const exchange = { places, uuids: { vm1: uuid } };
      const restoring = restoreState({ qmp, socketPath, file, signal, exchange });
      await fake.send({ return: { status: 'paused' }, id: (await fake.command()).id });
      await restoring;
      await expect.poll(() => Buffer.concat(received).equals(memoryWith(uuid))).toBe(true);
      server.close();
      await once(server, 'close');
    }
    qmp.close();
    await fake.stop();
  });

  it('leave nothing that an abort could end the process by, when QEMU refuses', async () => {
    const refusal = new Error('migration is blocked');
    const qmp = {
      execute: (command: string) =>
        command === 'migrate' ? Promise.reject(refusal) : Promise.resolve({}),
    } as unknown as QmpClient;
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      const abort = new AbortController();
      const file = join(directory, 'state.zst');
      const options = { qmp, socketPath: paths.stateSocket, file, signal: abort.signal };
      await expect(saveState(options)).rejects.toBe(refusal);
      abort.abort();
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  it.each([
    ['of their own', new Error('no answer'), true],
    ['not of another', new QmpCommandError('migrate', 'GenericError', 'one in progress'), false],
  ])('cancel a migration that fails, %s', async (_, refusal, cancels) => {
    const told: string[] = [];
    const qmp = {
      execute: (command: string) => {
        told.push(command);
        return command === 'migrate' ? Promise.reject(refusal) : Promise.resolve({});
      },
    } as unknown as QmpClient;
    const file = join(directory, 'state.zst');
    const options = { qmp, socketPath: paths.stateSocket, file, signal: AbortSignal.timeout(9000) };
    await expect(saveState(options)).rejects.toBe(refusal);
    expect(told.includes('migrate_cancel')).toBe(cancels);
  });

  it('refuse a file that is no state', async () => {
    const file = join(directory, 'state.zst');
    await writeFile(file, 'nonsense');
    const server = createServer().listen(paths.stateSocket);
    await once(server, 'listening');
    const qmp = {} as unknown as QmpClient;
    const options = { qmp, socketPath: paths.stateSocket, file, signal: AbortSignal.timeout(9000) };
    await expect(restoreState(options)).rejects.toMatchObject({ code: 'E_QMP' });
    server.close();
  });
});
