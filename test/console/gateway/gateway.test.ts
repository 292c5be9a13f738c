import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { default as ssh2, ClientChannel, ConnectConfig } from 'ssh2';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { renderSshConfig } from '../../../src/console/client/ssh-config.js';
import { knownHostsLine } from '../../../src/formats/keys/key-files.js';
import { ConsoleRig, read } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { uuid1 } from '../../rig/hub-rig.js';

const sshPath = '/usr/bin/ssh';
const run = promisify(execFile);

const { hostKey, clientKey, strangerKey } = ConsoleRig;

let rig: ConsoleRig;

beforeEach(async () => {
  rig = await ConsoleRig.start();
});

afterEach(async () => {
  await rig.stop();
});

function pattern(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff));
}

test('a session shows the history from the first byte, then what comes, and types raw bytes', async () => {
  rig.vm.print('SeaBIOS\r\n');
  await eventually(() => expect(rig.hub.vm('vm1')?.history.end).toBe(9));
  const channel = await rig.shell(await rig.login());
  expect(String(await read(channel, 9))).toBe('SeaBIOS\r\n');
  rig.vm.print('login: ');
  expect(String(await read(channel, 7))).toBe('login: ');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  channel.write(bytes);
  expect((await rig.vm.inputReached(256)).equals(bytes)).toBe(true);
  expect(rig.gateway.sessions()).toMatchObject([{ vm: 'vm1', key: 'alice' }]);
});

test('a session can leave the history out', async () => {
  rig.vm.print('old');
  await eventually(() => expect(rig.hub.vm('vm1')?.history.end).toBe(3));
  const channel = await rig.exec(await rig.login(), 'attach none');
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  rig.vm.print('new');
  expect(String(await read(channel, 3))).toBe('new');
});

test('100 kB pass intact in both directions at the same time', async () => {
  const channel = await rig.shell(await rig.login());
  const bytes = pattern(100_000);
  rig.vm.print(bytes);
  channel.write(bytes);
  const [out, input] = await Promise.all([
    read(channel, bytes.length),
    rig.vm.inputReached(bytes.length),
  ]);
  expect(out.equals(bytes)).toBe(true);
  expect(input.equals(bytes)).toBe(true);
});

test('a client that does not read delays neither the VM nor another client', async () => {
  const stalled = await rig.shell(await rig.login());
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  const other = await rig.shell(await rig.login());
  // More than ssh2's client takes without being read (4 MiB), and the history besides.
  const bytes = pattern(5_200_000);
  for (let at = 0; at < bytes.length; at += 100_000) {
    rig.vm.print(bytes.subarray(at, at + 100_000));
    await read(other, 100_000);
  }
  await eventually(() => expect(rig.vm.sender.buffered).toBe(0));
  let notices = '';
  stalled.stderr.on('data', (part: Buffer) => (notices += part.toString()));
  stalled.resume();
  await vi.waitFor(() =>
    expect(notices).toMatch(/\[vsbypass: \d+ bytes of output were missed here\]/),
  );
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

test('an RFC 4335 break request arrives as a BREAK, and only there', async () => {
  const client = await rig.login();
  const channel = await rig.shell(client);
  rig.vm.print('x');
  await read(channel, 1);
  sendBreakRequest(client, channel);
  await rig.vm.requested('break');
  expect(rig.vm.input.length).toBe(0);
});

/** SSH_MSG_CHANNEL_REQUEST "break", without a wish for a reply, 500 ms; ssh2 has no call for it. */
function sendBreakRequest(client: ssh2.Client, channel: ClientChannel): void {
  const { outgoing } = channel as unknown as { outgoing: { id: number } };
  const protocol = (client as unknown as { _protocol: PacketWriter })._protocol;
  const packet = Buffer.alloc(1 + 4 + 4 + 5 + 1 + 4);
  packet.writeUInt8(98, 0);
  packet.writeUInt32BE(outgoing.id, 1);
  packet.writeUInt32BE(5, 5);
  packet.write('break', 9);
  packet.writeUInt32BE(500, 15);
  const { allocStart } = protocol._packetRW.write;
  const framed = protocol._packetRW.write.alloc(packet.length);
  packet.copy(framed, allocStart);
  protocol._cipher.encrypt(protocol._packetRW.write.finalize(framed));
}

interface PacketWriter {
  _packetRW: {
    write: { allocStart: number; alloc(n: number): Buffer; finalize(p: Buffer): Buffer };
  };
  _cipher: { encrypt(packet: Buffer): void };
}

test('a session ends when its VM is gone for good, when the client is done, and when the gateway closes', async () => {
  const done = await rig.shell(await rig.login());
  rig.vm.print('bye');
  done.end();
  expect(await rig.ending(done)).toMatchObject({ status: 0 });
  const orphan = await rig.shell(await rig.login());
  const orphaned = rig.ending(orphan);
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  rig.vm.update({ state: 'gone' });
  expect(await orphaned).toMatchObject({
    status: 4,
    notices: expect.stringContaining("VM 'vm1' is gone") as string,
  });
  rig.l1.addVm({ uuid: uuid1, generation: 2 });
  const last = rig.ending(await rig.shell(await rig.login()));
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  await rig.gateway.close();
  expect(await last).toMatchObject({ status: 4 });
  expect(rig.gateway.sessions()).toEqual([]);
});

test('sessions are limited, and so is the time to log in', async () => {
  await rig.startGateway({ limits: { maxSessions: 1, loginGraceMs: 30, maxUnauthenticated: 1 } });
  await rig.shell(await rig.login());
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  expect(await rig.ending(await rig.shell(await rig.login()))).toMatchObject({
    status: 2,
    notices: expect.stringContaining('all 1 console sessions') as string,
  });
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

test('what is typed and printed never reaches the log', async () => {
  const channel = await rig.shell(await rig.login());
  rig.vm.print('printed-canary');
  await read(channel, 14);
  channel.write('typed-canary\r');
  await rig.vm.inputReached(13);
  channel.end();
  await rig.ending(channel);
  expect(JSON.stringify(rig.events)).not.toMatch(/canary/);
  expect(rig.events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['listening', 'auth-accepted', 'session-opened', 'session-closed']),
  );
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

describe.skipIf(!existsSync(sshPath))('stock OpenSSH', () => {
  let directory: string;
  let config: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vsb ssh-'));
    config = join(directory, 'config');
    await writeConfig(hostKey.publicLine, clientKey.privatePem);
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  async function writeConfig(hostLine: string, privatePem: string): Promise<void> {
    const identityFile = join(directory, 'id "x"');
    const knownHostsFile = join(directory, 'known_hosts');
    await writeFile(identityFile, privatePem);
    await chmod(identityFile, 0o600);
    await writeFile(knownHostsFile, knownHostsLine('test', hostLine));
    const vms = ['vm1', 'vm2'];
    const port = rig.gateway.port;
    await writeFile(
      config,
      renderSshConfig({
        instance: 'test',
        vms,
        host: '127.0.0.1',
        port,
        identityFile,
        knownHostsFile,
      }),
    );
  }

  test('gets the console, types into it, sends a BREAK with ~B and detaches with ~.', async () => {
    rig.vm.print('login: ');
    const ssh = spawn(sshPath, ['-F', config, 'vm1'], { stdio: 'pipe' });
    let out = '';
    ssh.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
    await eventually(() => expect(out).toBe('login: '));
    ssh.stdin.write('root\r');
    expect(String(await rig.vm.inputReached(5))).toBe('root\r');
    ssh.stdin.write('~B');
    await rig.vm.requested('break');
    ssh.stdin.write('x\r');
    await rig.vm.inputReached(7);
    ssh.stdin.write('~.');
    await once(ssh, 'close');
    await eventually(() => expect(rig.gateway.sessions()).toEqual([]));
    expect(String(rig.vm.input)).toBe('root\rx\r');
  });

  test('is told of an unknown VM, and refused a command', async () => {
    await expect(run(sshPath, ['-F', config, 'vm2'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no VM is known as 'vm2'") as string,
    });
    await expect(run(sshPath, ['-F', config, 'vm1', 'id'])).rejects.toMatchObject({
      stderr: expect.stringContaining('request failed') as string,
    });
  });

  test('refuses to talk when the host key is another one, and is refused with another key', async () => {
    await writeConfig(strangerKey.publicLine, clientKey.privatePem);
    await expect(run(sshPath, ['-F', config, 'vm1'])).rejects.toMatchObject({
      stderr: expect.stringContaining('Host key verification failed') as string,
    });
    await writeConfig(hostKey.publicLine, strangerKey.privatePem);
    await expect(run(sshPath, ['-F', config, 'vm1'])).rejects.toMatchObject({
      stderr: expect.stringContaining('Permission denied (publickey)') as string,
    });
  });

  test.each([
    ['rsa', ['-b', '3072']],
    ['ecdsa', ['-b', '256']],
  ])('logs in with an %s key of its own making', async (type, options) => {
    const file = join(directory, type);
    await run('/usr/bin/ssh-keygen', [
      '-q',
      '-t',
      type,
      ...options,
      '-N',
      '',
      '-C',
      `bob ${type}`,
      '-f',
      file,
    ]);
    const { readFile } = await import('node:fs/promises');
    await rig.startGateway({ authorizedKeys: [await readFile(`${file}.pub`, 'utf8')] });
    await writeConfig(hostKey.publicLine, await readFile(file, 'utf8'));
    rig.vm.print('hello');
    await eventually(() => expect(rig.hub.vm('vm1')?.history.end).toBe(5));
    const ssh = spawn(sshPath, ['-F', config, 'vm1'], { stdio: 'pipe' });
    const [out] = (await once(ssh.stdout, 'data')) as [Buffer];
    expect(String(out)).toBe('hello');
    expect(rig.gateway.sessions()).toMatchObject([{ key: `bob ${type}` }]);
    ssh.stdin.end();
    expect(await once(ssh, 'close')).toEqual([0, null]);
  });
});
