import { EventEmitter } from 'node:events';
import { createServer } from 'node:net';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { VsbError } from '../../../src/base/errors.js';
import {
  askGateway,
  connectGateway,
  type ConsoleTarget,
} from '../../../src/console/client/gateway-client.js';
import { interact } from '../../../src/console/client/interactive.js';
import { Recording } from '../../../src/console/client/recording.js';
import { RawTerminal, type ProcessEvents } from '../../../src/console/client/terminal.js';
import { interactByScript, type ScriptOptions } from '../../../src/console/dialogue/at-console.js';
import {
  parseExpectPattern,
  parseSendText,
  type ScriptStep,
} from '../../../src/console/dialogue/script.js';
import { fingerprintOfLine } from '../../../src/formats/keys/key-files.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import type { FakeVm } from '../../rig/fake-vm.js';
import { connectLink, uuid1 } from '../../rig/hub-rig.js';

const { hostKey, clientKey, strangerKey } = ConsoleRig;

let rig: ConsoleRig;
let vm: FakeVm;

beforeEach(async () => {
  rig = await ConsoleRig.start();
  vm = rig.vm;
});

afterEach(async () => {
  await rig.stop();
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
    port: rig.gateway.port,
    vm: 'vm1',
    hostKeyFingerprint: fingerprintOfLine(hostKey.publicLine),
    privateKeyPem: clientKey.privatePem,
    attach: { as: 'auto', replay: 'lines', sanitize: false },
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
  await eventually(() => expect(rig.hub.vm('vm1')?.history.end).toBe(7));
  const { stdin, stdout, stderr, done } = interactive();
  await eventually(() => expect(stdout.text).toBe('login: '));
  expect(stderr.text).toContain('secure console of vm1, ~? help, ~. detach');
  expect(stdin.modes).toEqual([true]);
  stdin.write('root\r~');
  stdin.write('B');
  await vm.requested('break');
  stdin.write('~?~~\r\x03');
  expect(String(await vm.inputReached(8))).toBe('root\r~\r\x03');
  expect(stderr.text).toContain('~.   detach');
  stdin.write('\r~.');
  expect(await done).toBe(0);
  expect(stdin.modes).toEqual([true, false]);
  expect(stderr.text).toContain('left the console of vm1');
  await eventually(() => expect(rig.gateway.sessions()).toEqual([]));
});

test('interact detaches soon even when the VM reads nothing', async () => {
  vm.setWindow(0);
  const { stdin, stdout, done } = interactive();
  vm.print('x');
  await eventually(() => expect(stdout.text).toBe('x'));
  stdin.write(Buffer.alloc(200_000, 'p'));
  await eventually(() => expect(rig.hub.vm('vm1')?.info().bytesIn).toBeGreaterThan(60_000));
  stdin.write('\r~.');
  expect(await done).toBe(0);
  expect(stdin.modes).toEqual([true, false]);
});

test('interact gives the terminal back when the VM goes, the gateway goes, or it is told to stop', async () => {
  const first = interactive();
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  vm.update({ state: 'gone' });
  await expect(first.done).rejects.toMatchObject({
    code: 'E_CONSOLE_CLOSED',
    message: expect.stringContaining("VM 'vm1' is gone") as string,
  });
  expect(first.stdin.modes).toEqual([true, false]);

  vm = rig.l1.addVm({ uuid: uuid1, generation: 2 });
  const controller = new AbortController();
  const second = interactive({ signal: controller.signal });
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  controller.abort(new VsbError('E_TERMINATED', 'terminated'));
  await expect(second.done).rejects.toMatchObject({ code: 'E_TERMINATED', exitCode: 143 });
  expect(second.stdin.modes).toEqual([true, false]);

  const third = interactive();
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  await rig.gateway.close();
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
    message: "no VM is known as 'vm9'; did you mean 'vm1'; there are: vm1",
  });
  await expect(
    interactive({ agent: '/nowhere', privateKeyPem: undefined as never }).done,
  ).rejects.toBeInstanceOf(VsbError);
  const silent = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await eventually(() => expect(silent.listening).toBe(true));
  const { port } = silent.address() as { port: number };
  await expect(interactive({ port }).done).rejects.toMatchObject({ code: 'E_CONSOLE_UNREACHABLE' });
  await new Promise((resolve) => silent.close(resolve));
  await expect(interactive({ port }).done).rejects.toMatchObject({
    code: 'E_CONSOLE_UNREACHABLE',
    exitCode: 4,
  });
});

test('interact answers ~w, ~s, ~r, types the size on ~z, and takes typing over on ~t', async () => {
  await rig.print('on the screen');
  const other = await rig.shell(await rig.login());
  const { stdin, stdout, stderr, done } = interactive();
  await eventually(() => expect(stdout.text).toBe('on the screen'));
  stdin.write('~w');
  await eventually(() => expect(stderr.text).toMatch(/types {4}alice.*\nwaits {4}alice/s));
  stdin.write('~s');
  await eventually(() => expect(stderr.text).toContain('path: secure: shadow UART'));
  stdin.write('~r');
  await eventually(() => expect(stdout.text).toMatch(/on the screen.*\n.*on the screen/s));
  stdin.write('no');
  await eventually(() => expect(stderr.text).toContain('not typed: alice'));
  stdin.write('\r~t');
  await eventually(() => expect(stderr.text).toContain('you type here now'));
  Object.assign(stdout, { isTTY: true, columns: 132, rows: 43 });
  stdin.write('~z');
  expect(String(await vm.inputReached(22))).toBe('stty rows 43 cols 132\r');
  stdin.write('~.');
  expect(await done).toBe(0);
  other.end();
});

test('interact connects again where the connection broke, and gives up when the user wants it', async () => {
  const stdin = new FakeTerminal();
  const stdout = new Sink();
  const stderr = new Sink();
  const options = target();
  const reconnect = () => connectGateway({ ...options, port: rig.gateway.port });
  const done = interact(await connectGateway(options), {
    ...{ vm: 'vm1', stdin, stdout, stderr, escape: '~', reconnect },
    signal: new AbortController().signal,
  });
  await rig.print('before ');
  await eventually(() => expect(stdout.text).toBe('before '));
  await rig.startGateway();
  await eventually(() => expect(stderr.text).toContain('connected again'));
  stdin.write('typed');
  expect(String(await vm.inputReached(5))).toBe('typed');
  await rig.gateway.close();
  await eventually(() => expect(stderr.text.match(/connecting again/g)).toHaveLength(2));
  stdin.write('lost\r~.');
  expect(await done).toBe(0);
  expect(String(vm.input)).toBe('typed');
});

test('interact does not connect again to a gateway with another key', async () => {
  const stdin = new FakeTerminal();
  const reconnect = () =>
    connectGateway(target({ hostKeyFingerprint: fingerprintOfLine(strangerKey.publicLine) }));
  const done = interact(await connectGateway(target()), {
    ...{ vm: 'vm1', stdin, stdout: new Sink(), stderr: new Sink(), escape: '~', reconnect },
    signal: new AbortController().signal,
  });
  const failed = expect(done).rejects.toMatchObject({ code: 'E_CONSOLE_HOST_KEY', exitCode: 7 });
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  await rig.startGateway();
  await failed;
  expect(stdin.modes).toEqual([true, false]);
});

test('a session goes on when its VM reboots, and when the link to it was cut', async () => {
  const { stdin, stdout, stderr, done } = interactive();
  await rig.print('first ');
  await eventually(() => expect(stdout.text).toBe('first '));
  rig.l1.cut();
  await eventually(() => expect(rig.hub.vm('vm1')?.state).toBe('lost'));
  rig.hub.attachLink(await connectLink(rig.l1, rig.link));
  await eventually(() => expect(stderr.text).toContain('the link to the VM is back'));
  rig.l1.reboot(9n);
  vm = rig.l1.addVm({ uuid: uuid1, generation: 2 });
  vm.print('second');
  await eventually(() => expect(stdout.text).toBe('first second'));
  expect(stderr.text).toContain('the VM is back');
  stdin.write('x\r~.');
  expect(await done).toBe(0);
});

test('askGateway brings the answer to a verb, or why there is none', async () => {
  expect(String(await askGateway(target(), 'who'))).toBe('nobody is at the console of vm1\n');
  await expect(askGateway(target({ vm: 'vm9' }), 'who')).rejects.toMatchObject({
    code: 'E_VM_UNKNOWN',
  });
  await expect(askGateway(target(), 'no verb')).rejects.toBeInstanceOf(VsbError);
});

describe('a recording', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vsb-cast-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  async function record(input: boolean): Promise<unknown[]> {
    const path = join(directory, 'a.cast');
    const size = { columns: 100, rows: 30 };
    const recording = await Recording.start({ path, title: 't', size, input, term: 'xterm' });
    const stdin = new FakeTerminal();
    const stdout = new Sink();
    const done = interact(await connectGateway(target()), {
      ...{ vm: 'vm1', stdin, stdout, stderr: new Sink(), escape: '~', recording },
      signal: new AbortController().signal,
    });
    vm.print(Buffer.from('caf\xc3', 'latin1'));
    await eventually(() => expect(stdout.text).toHaveLength(4));
    vm.print(Buffer.from('\xa9 "quoted"\r\n', 'latin1'));
    await eventually(() => expect(stdout.text).toHaveLength(16));
    stdin.write('secret\r~.');
    await done;
    await recording.close();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as unknown);
  }

  test('is an asciicast of the output, whole characters, and nothing that was typed', async () => {
    const [header, ...events] = await record(false);
    expect(header).toMatchObject({ version: 2, width: 100, height: 30, title: 't' });
    const time = expect.any(Number) as number;
    expect(events).toEqual([
      [time, 'o', 'caf'],
      [time, 'o', 'é "quoted"\r\n'],
    ]);
  });

  test('has what was typed when that was asked for, and never replaces a file', async () => {
    expect((await record(true)).at(-1)).toEqual([expect.any(Number), 'i', 'secret\r']);
    await expect(record(false)).rejects.toMatchObject({ code: 'E_FILE' });
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

test('interactByScript lets nothing on a terminal that would make it answer into the shell', async () => {
  const output = '\x1b]0;title\x07# \x1b[6n';
  for (const isTTY of [true, false]) {
    const stdout = Object.assign(new Sink(), { isTTY });
    vm.print(output);
    const steps = [wait('# \\x1b\\[6n')];
    await script({ stdout, stderr: new Sink(), steps, stripAnsi: false });
    expect(stdout.text).not.toBe('');
    expect(stdout.text.includes('\x1b[6n')).toBe(!isTTY);
  }
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
    details: {
      step: 5,
      lastLines: expect.arrayContaining(['Login incorrect', 'login: ']) as unknown,
    },
  });
});

test('interactByScript of an unknown VM says so', async () => {
  const stdout = new Sink();
  const stderr = new Sink();
  const run = script({ stdout, stderr, steps: [wait('x')], stripAnsi: false }, { vm: 'vm9' });
  await expect(run).rejects.toMatchObject({ code: 'E_VM_UNKNOWN', exitCode: 2 });
});

test('RawTerminal gives the terminal back at exit, takes it again after a stop, and once only', () => {
  const processEvents = Object.assign(new EventEmitter(), { kill: vi.fn(), pid: 1 });
  const input = new FakeTerminal();
  const output = Object.assign(new Sink(), { isTTY: true });
  const terminal = new RawTerminal(input, output, true, processEvents as unknown as ProcessEvents);
  terminal.enter();
  terminal.enter();
  processEvents.emit('SIGCONT');
  processEvents.emit('exit');
  terminal.restore();
  processEvents.emit('SIGCONT');
  expect(input.modes).toEqual([true, true, false]);
  expect(output.text).toContain('\x1b[?25h');
  expect(output.text).not.toContain('\x1b[?1049l');
  expect(processEvents.listenerCount('exit')).toBe(0);
});
