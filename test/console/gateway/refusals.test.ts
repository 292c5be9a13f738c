/** What the gateway does not do, and whom it cuts off. */
import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';

import type { ConnectConfig } from 'ssh2';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { ConsoleRig, read } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { pattern } from '../../rig/pattern.js';

const { clientKey, strangerKey } = ConsoleRig;

let rig: ConsoleRig;

beforeEach(async () => {
  rig = await ConsoleRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('a key that is not authorized is refused, after a fixed number of tries the connection too', async () => {
  await expect(rig.login({ privateKey: strangerKey.privatePem })).rejects.toMatchObject({
    level: 'client-authentication',
  });
  await expect(
    rig.login({ privateKey: undefined, password: 'x', authHandler: ['password'] }),
  ).rejects.toThrow();
  expect(rig.events.filter(({ type }) => type === 'auth-accepted')).toEqual([]);
  const config = { authHandler: Array.from({ length: 20 }, () => 'password'), password: 'guess' };
  await expect(rig.login({ ...config, privateKey: undefined } as ConnectConfig)).rejects.toThrow();
  await vi.waitFor(() =>
    expect(rig.events).toContainEqual(
      expect.objectContaining({ type: 'connection-dropped', reason: 'too many failed logins' }),
    ),
  );
});

test('questions without end are cut off, too', async () => {
  const config = { authHandler: Array.from({ length: 60 }, () => 'none') };
  await expect(rig.login({ ...config, privateKey: undefined } as ConnectConfig)).rejects.toThrow();
  await vi.waitFor(() =>
    expect(rig.events).toEqual([
      expect.objectContaining({ type: 'listening' }),
      expect.objectContaining({ type: 'connection-dropped', reason: 'too many failed logins' }),
      expect.objectContaining({ type: 'auth-failed', attempts: 33 }),
    ]),
  );
});

test('an unknown VM is refused with the names that there are, after the login', async () => {
  const { status, notices } = await rig.ending(
    await rig.shell(await rig.login({ username: 'vm\x1b[2J9' })),
  );
  expect(status).toBe(2);
  expect(notices).toBe("vsbypass: no VM is known as 'vm?[2J9'; there are: vm1 [E_VM_UNKNOWN]\r\n");
});

test('commands, subsystems, SFTP and forwarding are refused', async () => {
  const client = await rig.login();
  const attempt = (begin: (done: (error?: Error) => void) => void): Promise<unknown> =>
    new Promise((resolve) => begin(resolve));
  expect(await attempt((done) => client.exec('id', done))).toBeInstanceOf(Error);
  expect(await attempt((done) => client.subsys('vsb', done))).toBeInstanceOf(Error);
  expect(await attempt((done) => client.sftp(done))).toBeInstanceOf(Error);
  expect(await attempt((done) => client.forwardIn('127.0.0.1', 0, done))).toBeInstanceOf(Error);
  expect(
    await attempt((done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', rig.gateway.port, done)),
  ).toBeInstanceOf(Error);
  expect(
    await attempt((done) => client.openssh_forwardOutStreamLocal(rig.l1.socketPath, done)),
  ).toBeInstanceOf(Error);
});

test('old algorithms are not spoken', async () => {
  const only = (algorithms: ConnectConfig['algorithms']) => rig.login({ algorithms });
  await expect(only({ kex: ['diffie-hellman-group14-sha256'] })).rejects.toThrow();
  await expect(only({ cipher: ['aes256-ctr'] })).rejects.toThrow();
  await expect(only({ serverHostKey: ['ssh-rsa'] })).rejects.toThrow();
});

test('sessions are limited, and so is the time to log in', async () => {
  await rig.startGateway({ limits: { maxSessions: 1 } });
  await rig.shell(await rig.login());
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  expect(await rig.ending(await rig.shell(await rig.login()))).toMatchObject({
    status: 2,
    notices: expect.stringContaining('all 1 console sessions') as string,
  });
  await rig.startGateway({ limits: { loginGraceMs: 200, maxUnauthenticated: 1 } });
  const idle = connectTcp(rig.gateway.port, '127.0.0.1');
  idle.resume();
  await once(idle, 'close');
  const first = connectTcp(rig.gateway.port, '127.0.0.1').resume();
  await once(first, 'connect');
  const second = connectTcp(rig.gateway.port, '127.0.0.1').resume();
  await Promise.all([once(first, 'close'), once(second, 'close')]);
  const reasons = rig.events.flatMap((event) =>
    event.type === 'connection-dropped' ? [event.reason] : [],
  );
  expect(reasons).toContain('login took too long');
  expect(reasons).toContain('too many logins at one time');
});

test('a client that ignores the flow control window is cut off', async () => {
  rig.vm.setWindow(0);
  const client = await rig.login();
  const channel = await rig.shell(client);
  const closed = new Promise<void>((resolve) => client.on('error', () => {}).on('close', resolve));
  const { outgoing } = channel as unknown as { outgoing: { window: number } };
  outgoing.window = 100_000_000;
  channel.write(Buffer.alloc(5_000_000));
  await closed;
  expect(rig.events).toContainEqual(
    expect.objectContaining({
      type: 'connection-dropped',
      reason: 'more data than the window allows',
    }),
  );
});

test('garbage on the port harms nobody else', async () => {
  const channel = await rig.shell(await rig.login());
  for (const junk of [
    pattern(5000),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from('SSH-2.0-x\r\n\xff\xff\xff\xff\x00', 'latin1'),
  ]) {
    const socket = connectTcp(rig.gateway.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.end(junk);
    await once(socket, 'close');
  }
  rig.vm.print('fine');
  expect(String(await read(channel, 4))).toBe('fine');
});

test('startGateway refuses a bad host key and ignores authorized keys that it cannot honour', async () => {
  await expect(rig.startGateway({ hostKeyPem: 'x' })).rejects.toMatchObject({
    code: 'E_CONSOLE_KEY',
    exitCode: 7,
  });
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(rig.startGateway({ listen: { host: '127.0.0.1', port } })).rejects.toMatchObject({
    code: 'E_PORT_TAKEN',
    exitCode: 3,
  });
  other.close();
  await rig.startGateway({
    authorizedKeys: [
      '# mine',
      `command="true" ${clientKey.publicLine}`,
      clientKey.privatePem,
      'nonsense',
    ],
  });
  expect(rig.events.filter(({ type }) => type === 'key-ignored')).toMatchObject([
    { line: 2 },
    { line: 3 },
    { line: 4 },
  ]);
  await expect(rig.login()).rejects.toMatchObject({ level: 'client-authentication' });
});
