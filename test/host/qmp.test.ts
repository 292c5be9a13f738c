import { once } from 'node:events';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { QmpClient, QmpCommandError } from '../../src/host/qmp.js';
import { FakeQmp, greeting } from '../rig/fake-qmp.js';

let qemu: FakeQmp;
beforeEach(async () => {
  qemu = await FakeQmp.start();
});
afterEach(async () => {
  await qemu.stop();
});

async function connected(): Promise<QmpClient> {
  const [client] = await Promise.all([QmpClient.connect(qemu.path), qemu.handshake()]);
  return client;
}

describe('QmpClient.connect', () => {
  it('negotiates and knows the version', async () => {
    const connecting = QmpClient.connect(qemu.path);
    await qemu.say(`${greeting}\r\n`);
    const command = await qemu.command();
    expect(command.execute).toBe('qmp_capabilities');
    await qemu.send({ return: {}, id: command.id });
    expect((await connecting).version).toEqual({ major: 7, minor: 2, micro: 22 });
  });

  it('accepts a greeting in pieces and an event behind it in the same chunk', async () => {
    const connecting = QmpClient.connect(qemu.path);
    await qemu.say(greeting.slice(0, 10));
    await qemu.say(greeting.slice(10));
    await qemu.say(
      `\r\n${JSON.stringify({ event: 'RESUME', timestamp: { seconds: 1, microseconds: 0 } })}\r\n`,
    );
    const { id } = await qemu.command();
    await qemu.send({ return: {}, id });
    expect((await connecting).anomalies).toEqual({ garbageLines: 0, lateAnswers: 0 });
  });

  it('refuses a peer that is not QMP', async () => {
    const connecting = QmpClient.connect(qemu.path);
    await Promise.all([
      expect(connecting).rejects.toMatchObject({
        code: 'E_QMP',
        message: expect.stringContaining('SSH-2.0') as string,
      }),
      qemu.say('SSH-2.0-OpenSSH\r\n'),
    ]);
  });

  it('fails at its deadline when nobody greets', async () => {
    await expect(QmpClient.connect(qemu.path, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'E_QMP',
      message: expect.stringContaining('no greeting') as string,
    });
  });

  it('fails when nobody listens', async () => {
    await expect(QmpClient.connect('/does/not/exist')).rejects.toMatchObject({ code: 'E_QMP' });
  });

  it('fails when QEMU goes before greeting', async () => {
    const connecting = QmpClient.connect(qemu.path);
    await Promise.all([
      expect(connecting).rejects.toMatchObject({ code: 'E_QMP_CLOSED' }),
      qemu.disconnect(),
    ]);
  });

  it('gives up with the reason of the signal', async () => {
    const abort = new AbortController();
    const connecting = QmpClient.connect(qemu.path, { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(connecting).rejects.toThrow('enough');
  });
});

describe('QmpClient.execute', () => {
  it('matches answers that come in another order', async () => {
    const client = await connected();
    const first = client.execute('query-status');
    const second = client.execute('query-name');
    const one = await qemu.command();
    const two = await qemu.command();
    await qemu.send({ return: 'second', id: two.id });
    await qemu.send({ return: 'first', id: one.id });
    expect(await Promise.all([first, second])).toEqual(['first', 'second']);
  });

  it('rejects with the class and text that QEMU gives', async () => {
    const client = await connected();
    const call = client.execute('nonsense', { a: 1 });
    const command = await qemu.command();
    expect(command.arguments).toEqual({ a: 1 });
    await Promise.all([
      expect(call).rejects.toSatisfy(
        (error) =>
          error instanceof QmpCommandError &&
          error.errorClass === 'CommandNotFound' &&
          error.exitCode === 4,
      ),
      qemu.send({ error: { class: 'CommandNotFound', desc: 'no such' }, id: command.id }),
    ]);
  });

  it('counts and skips garbage lines', async () => {
    const client = await connected();
    const call = client.execute('query-status');
    const { id } = await qemu.command();
    await qemu.say('garbage\r\n\r\n{"half": \r\n[1]\r\n');
    await qemu.send({ return: 1, id });
    expect(await call).toBe(1);
    expect(client.anomalies.garbageLines).toBe(3);
  });

  it('fails at its deadline and ignores the late answer', async () => {
    const client = await connected();
    await expect(client.execute('slow', {}, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'E_QMP',
    });
    const late = await qemu.command();
    const next = client.execute('query-status');
    const { id } = await qemu.command();
    await qemu.send({ return: 'late', id: late.id });
    await qemu.send({ return: 'mine', id });
    expect(await next).toBe('mine');
    expect(client.anomalies.lateAnswers).toBe(1);
  });

  it('aborts a call and leaves the connection usable', async () => {
    const client = await connected();
    const abort = new AbortController();
    const call = client.execute('slow', {}, { signal: abort.signal });
    await qemu.command();
    abort.abort(new Error('stop'));
    await expect(call).rejects.toThrow('stop');
    expect(client.isClosed).toBe(false);
  });

  it('rejects every pending call when QEMU is killed, and later calls at once', async () => {
    const client = await connected();
    const closed = once(client, 'close');
    const calls = [client.execute('a'), client.execute('b')];
    await qemu.command();
    await Promise.all([
      ...calls.map((call) => expect(call).rejects.toMatchObject({ code: 'E_QMP_CLOSED' })),
      qemu.disconnect(),
      closed,
    ]);
    await expect(client.execute('c')).rejects.toMatchObject({ code: 'E_QMP_CLOSED' });
  });
});

describe('QmpClient events', () => {
  it('delivers an event that was cut in the middle of a character', async () => {
    const client = await connected();
    const received = once(client, 'event');
    const timestamp = { seconds: 2, microseconds: 500_000 };
    const bytes = Buffer.from(
      `${JSON.stringify({ event: 'STOP', data: { reason: 'ä' }, timestamp })}\n`,
    );
    const cut = bytes.indexOf(0xc3) + 1;
    await qemu.say(bytes.subarray(0, cut));
    await qemu.say(bytes.subarray(cut));
    expect(await received).toEqual([{ name: 'STOP', data: { reason: 'ä' }, timeMs: 2500 }]);
  });
});
