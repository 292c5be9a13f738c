import { EventEmitter } from 'node:events';
import { createServer } from 'node:net';
import { PassThrough } from 'node:stream';

import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';

import { interact, interactByScript, type ScriptOptions } from '../../src/console/client.js';
import { connectGateway, type ConsoleTarget } from '../../src/console/gateway-client.js';
import { startGateway, type Gateway } from '../../src/console/gateway.js';
import { ConsoleHub } from '../../src/console/hub.js';
import { fingerprintOfLine, generateKey, type KeyPair } from '../../src/console/keys.js';
import { parseExpectPattern, parseSendText, type ScriptStep } from '../../src/console/script.js';
import { RawTerminal, type ProcessEvents } from '../../src/console/terminal.js';
import { VsbError } from '../../src/errors/index.js';
import { Link } from '../../src/link/index.js';
import { FakeL1, type FakeVm } from '../rig/fake-l1.js';

const uuid1 = '00000000-0000-4000-8000-000000000001';

let hostKey: KeyPair;
let clientKey: KeyPair;
let strangerKey: KeyPair;
let l1: FakeL1;
let link: Link;
let hub: ConsoleHub;
let gateway: Gateway;
let vm: FakeVm;

beforeAll(() => {
  hostKey = generateKey('host');
  clientKey = generateKey('client');
  strangerKey = generateKey('stranger');
});

beforeEach(async () => {
  l1 = await FakeL1.start();
  hub = new ConsoleHub({
    nameOf: ({ uuid }) => (uuid === uuid1 ? 'vm1' : undefined),
    goneGraceMs: 20,
  });
  link = await Link.connect(l1.socketPath, {
    signal: new AbortController().signal,
    timeoutMs: 5000,
  });
  hub.attachLink(link);
  vm = l1.addVm({ uuid: uuid1 });
  await vi.waitFor(() => expect(hub.vm('vm1')).toBeDefined());
  gateway = await startGateway({
    hostKeyPem: hostKey.privatePem,
    authorizedKeys: [clientKey.publicLine],
    hub,
    listen: { host: '127.0.0.1', port: 0 },
    limits: { authFailureDelayMs: 1 },
  });
});

afterEach(async () => {
  hub.close();
  await gateway.close();
  link.close();
  await l1.stop();
});

class FakeTerminal extends PassThrough {
  readonly isTTY = true;
  readonly modes: boolean[] = [];

  setRawMode(raw: boolean): void {
    this.modes.push(raw);
  }
}

/** Keeps what is written. */
class Sink extends PassThrough {
  text = '';

  constructor() {
    super();
    this.on('data', (bytes: Buffer) => (this.text += bytes.toString('latin1')));
  }
}

function target(change: Partial<ConsoleTarget> = {}): ConsoleTarget {
  return {
    host: '127.0.0.1',
    port: gateway.port,
    vm: 'vm1',
    hostKeyFingerprint: fingerprintOfLine(hostKey.publicLine),
    privateKeyPem: clientKey.privatePem,
    history: 'all',
    signal: new AbortController().signal,
    ...change,
  };
}

function interactive(change: Partial<ConsoleTarget> = {}) {
  const stdin = new FakeTerminal();
  const stdout = new Sink();
  const stderr = new Sink();
  const to = target(change);
  const done = connectGateway(to).then((connection) =>
    interact(connection, { ...to, stdin, stdout, stderr, escape: '~' }),
  );
  // Failures are looked at when the test awaits them.
  done.catch(() => {});
  return { stdin, stdout, stderr, done };
}

test('interact shows the history, types, sends a BREAK, explains itself and detaches', async () => {
  vm.print('login: ');
  await vi.waitFor(() => expect(hub.vm('vm1')?.history.end).toBe(7));
  const { stdin, stdout, stderr, done } = interactive();
  await vi.waitFor(() => expect(stdout.text).toBe('login: '));
  expect(stderr.text).toContain('secure console of vm1, ~? help, ~. detach');
  expect(stdin.modes).toEqual([true]);
  stdin.write('root\r~');
  stdin.write('B');
  await vm.requested('break');
  stdin.write('~?~~\r\x03');
  expect(String(await vm.inputReached(8))).toBe('root\r~\r\x03');
  expect(stderr.text).toContain('~.  detach');
  stdin.write('\r~.');
  expect(await done).toBe(0);
  expect(stdin.modes).toEqual([true, false]);
  expect(stderr.text).toContain('left the console of vm1');
  await vi.waitFor(() => expect(gateway.sessions()).toEqual([]));
});

test('interact detaches soon even when the VM reads nothing', async () => {
  vm.setWindow(0);
  const { stdin, stdout, done } = interactive();
  vm.print('x');
  await vi.waitFor(() => expect(stdout.text).toBe('x'));
  stdin.write(Buffer.alloc(200_000, 'p'));
  await vi.waitFor(() => expect(hub.vm('vm1')?.info().bytesIn).toBeGreaterThan(60_000));
  stdin.write('\r~.');
  expect(await done).toBe(0);
  expect(stdin.modes).toEqual([true, false]);
});

test('interact gives the terminal back when the VM goes, the gateway goes, or it is told to stop', async () => {
  const first = interactive();
  await vi.waitFor(() => expect(gateway.sessions()).toHaveLength(1));
  vm.update({ state: 'gone' });
  await expect(first.done).rejects.toMatchObject({
    code: 'E_CONSOLE_CLOSED',
    message: expect.stringContaining("VM 'vm1' is gone") as string,
  });
  expect(first.stdin.modes).toEqual([true, false]);

  vm = l1.addVm({ uuid: uuid1, generation: 2 });
  const controller = new AbortController();
  const second = interactive({ signal: controller.signal });
  await vi.waitFor(() => expect(gateway.sessions()).toHaveLength(1));
  controller.abort(new VsbError('E_TERMINATED', 'terminated'));
  await expect(second.done).rejects.toMatchObject({ code: 'E_TERMINATED', exitCode: 143 });
  expect(second.stdin.modes).toEqual([true, false]);

  const third = interactive();
  await vi.waitFor(() => expect(gateway.sessions()).toHaveLength(1));
  await gateway.close();
  await expect(third.done).rejects.toMatchObject({ code: 'E_CONSOLE_CLOSED', exitCode: 4 });
  expect(third.stdin.modes).toEqual([true, false]);
});

test('interact fails closed on another host key, before the terminal is touched', async () => {
  const { stdin, done } = interactive({
    hostKeyFingerprint: fingerprintOfLine(strangerKey.publicLine),
  });
  await expect(done).rejects.toMatchObject({ code: 'E_CONSOLE_HOST_KEY', exitCode: 7 });
  expect(stdin.modes).toEqual([]);
});

test('interact says what is wrong: key, VM, nobody there, no SSH there', async () => {
  const wrongKey = interactive({ privateKeyPem: strangerKey.privatePem });
  await expect(wrongKey.done).rejects.toMatchObject({ code: 'E_CONSOLE_AUTH', exitCode: 7 });
  await expect(interactive({ vm: 'vm9' }).done).rejects.toMatchObject({
    code: 'E_VM_UNKNOWN',
    exitCode: 2,
    message: "no VM is known as 'vm9'; there are: vm1",
  });
  await expect(
    interactive({ agent: '/nowhere', privateKeyPem: undefined as never }).done,
  ).rejects.toBeInstanceOf(VsbError);
  const silent = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await vi.waitFor(() => expect(silent.listening).toBe(true));
  const { port } = silent.address() as { port: number };
  await expect(interactive({ port }).done).rejects.toMatchObject({ code: 'E_CONSOLE_UNREACHABLE' });
  await new Promise((resolve) => silent.close(resolve));
  await expect(interactive({ port }).done).rejects.toMatchObject({
    code: 'E_CONSOLE_UNREACHABLE',
    exitCode: 4,
  });
});

async function script(
  options: Omit<ScriptOptions, 'signal'>,
  change: Partial<ConsoleTarget> = {},
): Promise<number> {
  const to = target(change);
  return await interactByScript(await connectGateway(to), { ...options, signal: to.signal });
}

/** A login, as a VM's getty plays it. */
function playLogin(): void {
  let line = '';
  let stage = 0;
  vm.onInput = (bytes) => {
    line += bytes.toString();
    if (!line.endsWith('\r')) return;
    stage++;
    if (stage === 1) vm.print(`${line}\nPassword: `);
    else
      vm.print(line === 'se\\cret\r' ? '\r\n\x1b[1m# \x1b[0m' : '\r\nLogin incorrect\r\nlogin: ');
    line = '';
  };
  vm.print('boot messages\r\nlogin: ');
}

const wait = (source: string, timeoutMs = 5000): ScriptStep => ({
  type: 'expect',
  pattern: parseExpectPattern(source),
  timeoutMs,
});
const send = (text: string): ScriptStep => ({ type: 'send', bytes: parseSendText(text) });

test('interactByScript logs in and leaves the output on stdout', async () => {
  playLogin();
  const stdout = new Sink();
  const stderr = new Sink();
  const steps = [
    wait('login: $'),
    send('root\\r'),
    wait('Password: $'),
    send('se\\\\cret\\r'),
    wait('^# $'),
    send('last'),
  ];
  expect(await script({ stdout, stderr, steps, stripAnsi: true })).toBe(0);
  expect(stdout.text).toContain('boot messages\r\nlogin: root\r\nPassword: \r\n\x1b[1m# ');
  expect(stderr.text).toBe('');
  expect(String(await vm.inputReached(17))).toBe('root\rse\\cret\rlast');
});

test('interactByScript reports the last lines when it does not get what it waits for', async () => {
  playLogin();
  const stdout = new Sink();
  const stderr = new Sink();
  const steps = [
    wait('login: $'),
    send('root\\r'),
    wait('Password'),
    send('wrong\\r'),
    wait('^# $', 300),
  ];
  const failed = script({ stdout, stderr, steps, stripAnsi: true });
  await expect(failed).rejects.toMatchObject({
    code: 'E_EXPECT_TIMEOUT',
    exitCode: 124,
    details: { step: 5 },
  });
  expect(stderr.text).toContain('  Login incorrect\n  login: \n');
});

test('interactByScript of an unknown VM says so', async () => {
  const stdout = new Sink();
  const stderr = new Sink();
  const run = script({ stdout, stderr, steps: [wait('x')], stripAnsi: false }, { vm: 'vm9' });
  await expect(run).rejects.toMatchObject({ code: 'E_VM_UNKNOWN', exitCode: 2 });
});

test('RawTerminal gives the terminal back at exit, takes it again after a stop, and once only', () => {
  const processEvents = new EventEmitter();
  const input = new FakeTerminal();
  const output = Object.assign(new Sink(), { isTTY: true });
  const terminal = new RawTerminal(input, output, processEvents as unknown as ProcessEvents);
  terminal.enter();
  terminal.enter();
  processEvents.emit('SIGCONT');
  processEvents.emit('exit');
  terminal.restore();
  processEvents.emit('SIGCONT');
  expect(input.modes).toEqual([true, true, false]);
  expect(output.text).toContain('\x1b[?1049l');
  expect(processEvents.listenerCount('exit')).toBe(0);
});
