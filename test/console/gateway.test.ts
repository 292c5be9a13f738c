import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import ssh2, { type ClientChannel, type ConnectConfig } from 'ssh2';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

import {
  startGateway,
  type Gateway,
  type GatewayEvent,
  type GatewayOptions,
} from '../../src/console/gateway.js';
import { ConsoleHub } from '../../src/console/hub.js';
import { generateKey, knownHostsLine, type KeyPair } from '../../src/console/keys.js';
import { renderSshConfig } from '../../src/console/ssh-config.js';
import { Link } from '../../src/link/index.js';
import { FakeL1, type FakeVm } from '../rig/fake-l1.js';

const uuid1 = '00000000-0000-4000-8000-000000000001';
const sshPath = '/usr/bin/ssh';
const run = promisify(execFile);

let hostKey: KeyPair;
let clientKey: KeyPair;
let strangerKey: KeyPair;
let l1: FakeL1;
let link: Link;
let hub: ConsoleHub;
let vm: FakeVm;
let events: GatewayEvent[];
let gateway: Gateway;
const clients: ssh2.Client[] = [];

beforeAll(() => {
  hostKey = generateKey('host');
  clientKey = generateKey('client');
  strangerKey = generateKey('stranger');
});

beforeEach(async () => {
  l1 = await FakeL1.start();
  hub = new ConsoleHub({
    historyBytes: 256 * 1024,
    nameOf: (record) => (record.uuid === uuid1 ? 'vm1' : undefined),
    goneGraceMs: 20,
  });
  link = await Link.connect(l1.socketPath, {
    signal: new AbortController().signal,
    timeoutMs: 5000,
  });
  hub.attachLink(link);
  vm = l1.addVm({ uuid: uuid1 });
  events = [];
  await vi.waitFor(() => expect(hub.vm('vm1')).toBeDefined());
  gateway = await start();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  hub.close();
  await gateway.close();
  link.close();
  await l1.stop();
});

function start(options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  return startGateway({
    hostKeyPem: hostKey.privatePem,
    authorizedKeys: [`${clientKey.publicLine} alice`],
    hub,
    listen: { host: '127.0.0.1', port: 0 },
    log: (event) => events.push(event),
    ...options,
    limits: { authFailureDelayMs: 1, ...options.limits },
  });
}

async function login(config: ConnectConfig = {}): Promise<ssh2.Client> {
  const client = new ssh2.Client();
  clients.push(client);
  client.connect({
    host: '127.0.0.1',
    port: gateway.port,
    username: 'vm1',
    privateKey: clientKey.privatePem,
    ...config,
  });
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve);
    client.once('error', reject);
    client.once('close', () => reject(new Error('closed')));
  });
  return client;
}

function shell(client: ssh2.Client, env: Record<string, string> = {}): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.shell(false, { env }, (error, channel) => {
      if (error !== undefined) return reject(error);
      channel.once('exit', (code: unknown) => statuses.set(channel, code));
      resolve(channel);
    });
  });
}

/** Exit statuses come as soon as the shell is there: too early for who awaits it. */
const statuses = new WeakMap<ClientChannel, unknown>();

/** Reads from a channel until so much has come. */
async function read(channel: ClientChannel, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let total = 0;
  while (total < length) {
    const part = channel.read() as Buffer | null;
    if (part === null) await once(channel, 'readable');
    else {
      parts.push(part);
      total += part.length;
    }
  }
  return Buffer.concat(parts);
}

/** Waits for a channel's end; its exit status and what it said beside the output. */
async function ending(channel: ClientChannel): Promise<{ status: unknown; notices: string }> {
  let notices = '';
  channel.stderr.on('data', (bytes: Buffer) => (notices += bytes.toString()));
  channel.resume();
  await once(channel, 'close');
  return { status: statuses.get(channel), notices };
}

function pattern(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff));
}

test('a session shows the history from the first byte, then what comes, and types raw bytes', async () => {
  vm.print('SeaBIOS\r\n');
  await vi.waitFor(() => expect(hub.vm('vm1')?.history.end).toBe(9));
  const channel = await shell(await login());
  expect(String(await read(channel, 9))).toBe('SeaBIOS\r\n');
  vm.print('login: ');
  expect(String(await read(channel, 7))).toBe('login: ');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  channel.write(bytes);
  expect((await vm.inputReached(256)).equals(bytes)).toBe(true);
  expect(gateway.sessions()).toMatchObject([{ vm: 'vm1', key: 'alice', missed: 0 }]);
});

test('a session can leave the history out', async () => {
  vm.print('old');
  await vi.waitFor(() => expect(hub.vm('vm1')?.history.end).toBe(3));
  const channel = await shell(await login(), { VSBYPASS_HISTORY: 'none' });
  await vi.waitFor(() => expect(gateway.sessions()).toHaveLength(1));
  vm.print('new');
  expect(String(await read(channel, 3))).toBe('new');
});

test('100 kB pass intact in both directions at the same time', async () => {
  const channel = await shell(await login());
  const bytes = pattern(100_000);
  vm.print(bytes);
  channel.write(bytes);
  const [out, input] = await Promise.all([
    read(channel, bytes.length),
    vm.inputReached(bytes.length),
  ]);
  expect(out.equals(bytes)).toBe(true);
  expect(input.equals(bytes)).toBe(true);
});

test('a client that does not read delays neither the VM nor another client', async () => {
  const stalled = await shell(await login());
  await vi.waitFor(() => expect(gateway.sessions()).toHaveLength(1));
  const other = await shell(await login());
  // More than ssh2's client takes without being read (4 MiB), and the history besides.
  const bytes = pattern(5_200_000);
  for (let at = 0; at < bytes.length; at += 100_000) {
    vm.print(bytes.subarray(at, at + 100_000));
    await read(other, 100_000);
  }
  await vi.waitFor(() => expect(vm.sender.buffered).toBe(0));
  let notices = '';
  stalled.stderr.on('data', (part: Buffer) => (notices += part.toString()));
  stalled.resume();
  await vi.waitFor(() =>
    expect(notices).toMatch(/\[vsbypass: \d+ bytes of output were missed here\]/),
  );
});

test('a key that is not authorized is refused, after a fixed number of tries the connection too', async () => {
  await expect(login({ privateKey: strangerKey.privatePem })).rejects.toMatchObject({
    level: 'client-authentication',
  });
  await expect(
    login({ privateKey: undefined, password: 'x', authHandler: ['password'] }),
  ).rejects.toThrow();
  expect(events.filter(({ type }) => type === 'auth-accepted')).toEqual([]);
  const config = { authHandler: Array.from({ length: 20 }, () => 'password'), password: 'guess' };
  await expect(login({ ...config, privateKey: undefined } as ConnectConfig)).rejects.toThrow();
  await vi.waitFor(() =>
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'connection-dropped', reason: 'too many failed logins' }),
    ),
  );
});

test('an unknown VM is refused with the names that there are, after the login', async () => {
  const { status, notices } = await ending(await shell(await login({ username: 'vm\x1b[2J9' })));
  expect(status).toBe(2);
  expect(notices).toBe("vsbypass: no VM is known as 'vm?[2J9'; there are: vm1\r\n");
});

test('commands, subsystems, SFTP and forwarding are refused', async () => {
  const client = await login();
  const attempt = (begin: (done: (error?: Error) => void) => void): Promise<unknown> =>
    new Promise((resolve) => begin(resolve));
  expect(await attempt((done) => client.exec('id', done))).toBeInstanceOf(Error);
  expect(await attempt((done) => client.subsys('vsb', done))).toBeInstanceOf(Error);
  expect(await attempt((done) => client.sftp(done))).toBeInstanceOf(Error);
  expect(await attempt((done) => client.forwardIn('127.0.0.1', 0, done))).toBeInstanceOf(Error);
  expect(
    await attempt((done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', gateway.port, done)),
  ).toBeInstanceOf(Error);
  expect(
    await attempt((done) => client.openssh_forwardOutStreamLocal(l1.socketPath, done)),
  ).toBeInstanceOf(Error);
});

test('old algorithms are not spoken', async () => {
  const only = (algorithms: ConnectConfig['algorithms']) => login({ algorithms });
  await expect(only({ kex: ['diffie-hellman-group14-sha256'] })).rejects.toThrow();
  await expect(only({ cipher: ['aes256-ctr'] })).rejects.toThrow();
  await expect(only({ serverHostKey: ['ssh-rsa'] })).rejects.toThrow();
});

test('an RFC 4335 break request arrives as a BREAK, and only there', async () => {
  const client = await login();
  const channel = await shell(client);
  vm.print('x');
  await read(channel, 1);
  sendBreakRequest(client, channel);
  await vm.requested('break');
  expect(vm.input.length).toBe(0);
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
  const done = await shell(await login());
  vm.print('bye');
  done.end();
  expect(await ending(done)).toMatchObject({ status: 0 });
  const orphan = await shell(await login());
  const orphaned = ending(orphan);
  await vi.waitFor(() => expect(gateway.sessions()).toHaveLength(1));
  vm.update({ state: 'gone' });
  expect(await orphaned).toMatchObject({
    status: 4,
    notices: expect.stringContaining("VM 'vm1' is gone") as string,
  });
  vm = l1.addVm({ uuid: uuid1, generation: 2 });
  const last = ending(await shell(await login()));
  await vi.waitFor(() => expect(gateway.sessions()).toHaveLength(1));
  await gateway.close();
  expect(await last).toMatchObject({ status: 4 });
  expect(gateway.sessions()).toEqual([]);
});

test('sessions are limited, and so is the time to log in', async () => {
  await gateway.close();
  gateway = await start({ limits: { maxSessions: 1, loginGraceMs: 30, maxUnauthenticated: 1 } });
  await shell(await login());
  await vi.waitFor(() => expect(gateway.sessions()).toHaveLength(1));
  expect(await ending(await shell(await login()))).toMatchObject({
    status: 4,
    notices: expect.stringContaining('all 1 console sessions') as string,
  });
  const idle = connectTcp(gateway.port, '127.0.0.1');
  idle.resume();
  await once(idle, 'close');
  const first = connectTcp(gateway.port, '127.0.0.1').resume();
  await once(first, 'connect');
  const second = connectTcp(gateway.port, '127.0.0.1').resume();
  await Promise.all([once(first, 'close'), once(second, 'close')]);
  const reasons = events.flatMap((event) =>
    event.type === 'connection-dropped' ? [event.reason] : [],
  );
  expect(reasons).toContain('login took too long');
  expect(reasons).toContain('too many logins at one time');
});

test('a client that ignores the flow control window is cut off', async () => {
  vm.setWindow(0);
  const client = await login();
  const channel = await shell(client);
  const closed = new Promise<void>((resolve) => client.on('error', () => {}).on('close', resolve));
  const { outgoing } = channel as unknown as { outgoing: { window: number } };
  outgoing.window = 100_000_000;
  channel.write(Buffer.alloc(5_000_000));
  await closed;
  expect(events).toContainEqual(
    expect.objectContaining({
      type: 'connection-dropped',
      reason: 'more data than the window allows',
    }),
  );
});

test('garbage on the port harms nobody else', async () => {
  const channel = await shell(await login());
  for (const junk of [
    pattern(5000),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from('SSH-2.0-x\r\n\xff\xff\xff\xff\x00', 'latin1'),
  ]) {
    const socket = connectTcp(gateway.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.end(junk);
    await once(socket, 'close');
  }
  vm.print('fine');
  expect(String(await read(channel, 4))).toBe('fine');
});

test('what is typed and printed never reaches the log', async () => {
  const channel = await shell(await login());
  vm.print('printed-canary');
  await read(channel, 14);
  channel.write('typed-canary\r');
  await vm.inputReached(13);
  channel.end();
  await ending(channel);
  expect(JSON.stringify(events)).not.toMatch(/canary/);
  expect(events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['listening', 'auth-accepted', 'session-opened', 'session-closed']),
  );
});

test('startGateway refuses a bad host key and ignores authorized keys that it cannot honour', async () => {
  await expect(start({ hostKeyPem: 'x' })).rejects.toMatchObject({
    code: 'E_CONSOLE_KEY',
    exitCode: 7,
  });
  await expect(start({ listen: { host: '127.0.0.1', port: gateway.port } })).rejects.toMatchObject({
    code: 'E_PORT_TAKEN',
    exitCode: 3,
  });
  await gateway.close();
  gateway = await start({
    authorizedKeys: [
      '# mine',
      `command="true" ${clientKey.publicLine}`,
      clientKey.privatePem,
      'nonsense',
    ],
  });
  expect(events.filter(({ type }) => type === 'key-ignored')).toMatchObject([
    { line: 2 },
    { line: 3 },
    { line: 4 },
  ]);
  await expect(login()).rejects.toMatchObject({ level: 'client-authentication' });
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
    const port = gateway.port;
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
    vm.print('login: ');
    const ssh = spawn(sshPath, ['-F', config, 'vm1'], { stdio: 'pipe' });
    let out = '';
    ssh.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
    await vi.waitFor(() => expect(out).toBe('login: '));
    ssh.stdin.write('root\r');
    expect(String(await vm.inputReached(5))).toBe('root\r');
    ssh.stdin.write('~B');
    await vm.requested('break');
    ssh.stdin.write('x\r');
    await vm.inputReached(7);
    ssh.stdin.write('~.');
    await once(ssh, 'close');
    await vi.waitFor(() => expect(gateway.sessions()).toEqual([]));
    expect(String(vm.input)).toBe('root\rx\r');
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
    await gateway.close();
    gateway = await start({ authorizedKeys: [await readFile(`${file}.pub`, 'utf8')] });
    await writeConfig(hostKey.publicLine, await readFile(file, 'utf8'));
    vm.print('hello');
    await vi.waitFor(() => expect(hub.vm('vm1')?.history.end).toBe(5));
    const ssh = spawn(sshPath, ['-F', config, 'vm1'], { stdio: 'pipe' });
    const [out] = (await once(ssh.stdout, 'data')) as [Buffer];
    expect(String(out)).toBe('hello');
    expect(gateway.sessions()).toMatchObject([{ key: `bob ${type}` }]);
    ssh.stdin.end();
    expect(await once(ssh, 'close')).toEqual([0, null]);
  });
});
