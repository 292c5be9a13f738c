/** The way to the gateway: whom the client believes, what it says when nothing comes of it, and how it connects again. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Duplex } from 'node:stream';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { VsbError } from '../../../src/base/errors.js';
import { askGateway, connectGateway } from '../../../src/console/client/gateway-client.js';
import {
  interact,
  type InteractiveOptions,
  type Reconnect,
} from '../../../src/console/client/interactive.js';
import { fingerprintOfLine } from '../../../src/formats/keys/key-files.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { FakeTerminal, interactive, Sink } from '../../rig/fake-terminal.js';

const { strangerKey } = ConsoleRig;

let rig: ConsoleRig;

beforeEach(async () => {
  rig = await ConsoleRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('interact fails closed on another host key, before the terminal is touched', async () => {
  const { stdin, done } = interactive(rig, {
    hostKeyFingerprint: fingerprintOfLine(strangerKey.publicLine),
  });
  await expect(done).rejects.toMatchObject({ code: 'E_CONSOLE_HOST_KEY', exitCode: 7 });
  expect(stdin.modes).toEqual([]);
});

test('interact says what is wrong: key, VM, nobody there, no SSH there', async () => {
  const wrongKey = interactive(rig, { privateKeyPem: strangerKey.privatePem });
  await expect(wrongKey.done).rejects.toMatchObject({ code: 'E_CONSOLE_AUTH', exitCode: 7 });
  await expect(interactive(rig, { vm: 'vm9' }).done).rejects.toMatchObject({
    code: 'E_VM_UNKNOWN',
    exitCode: 2,
    message: "no VM is known as 'vm9'; did you mean 'vm1'; there are: vm1",
  });
  await expect(
    interactive(rig, { agent: '/nowhere', privateKeyPem: undefined as never }).done,
  ).rejects.toBeInstanceOf(VsbError);
  const silent = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await eventually(() => expect(silent.listening).toBe(true));
  const { port } = silent.address() as { port: number };
  await expect(interactive(rig, { port }).done).rejects.toMatchObject({
    code: 'E_CONSOLE_UNREACHABLE',
  });
  await new Promise((resolve) => silent.close(resolve));
  await expect(interactive(rig, { port }).done).rejects.toMatchObject({
    code: 'E_CONSOLE_UNREACHABLE',
    exitCode: 4,
  });
});

test('interact connects again where the connection broke, and gives up when the user wants it', async () => {
  const stdin = new FakeTerminal();
  const stdout = new Sink();
  const stderr = new Sink();
  const options = rig.target();
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
  expect(String(await rig.vm.inputReached(5))).toBe('typed');
  await rig.gateway.close();
  await eventually(() => expect(stderr.text.match(/connecting again/g)).toHaveLength(2));
  stdin.write('lost\r~.');
  expect(await done).toBe(0);
  expect(String(rig.vm.input)).toBe('typed');
});

test('interact does not connect again after a session in which nothing was typed for too long', async () => {
  await rig.startGateway({ limits: { idleMs: 200 } });
  let attempts = 0;
  const done = interact(await connectGateway(rig.target()), {
    ...{ vm: 'vm1', stdin: new FakeTerminal(), stdout: new Sink(), stderr: new Sink() },
    ...{ escape: '~', signal: new AbortController().signal },
    reconnect: async () => {
      attempts++;
      return await connectGateway(rig.target());
    },
  });
  await expect(done).rejects.toMatchObject({
    ...{ code: 'E_CONSOLE_IDLE', exitCode: 124 },
    message: expect.stringContaining('nothing was typed') as string,
  });
  expect(attempts).toBe(0);
});

/** Connected, has typed, and then is without a gateway. */
async function broken(change: Partial<InteractiveOptions>) {
  const stdin = new FakeTerminal();
  const stderr = new Sink();
  const options = rig.target();
  const done = interact(await connectGateway(options), {
    ...{ vm: 'vm1', stdin, stdout: new Sink(), stderr, escape: '~' },
    reconnect: async () => await connectGateway(options),
    signal: new AbortController().signal,
    ...change,
  });
  stdin.write('abc');
  await rig.vm.inputReached(3);
  await rig.gateway.close();
  await eventually(() => expect(stderr.text).toContain('connecting again, ^C gives up'));
  return { stdin, done };
}

test.each([
  ['~.', '~'],
  ['typed blindly~.', '~'],
  ['\x03', '~'],
  ['\x03', undefined],
  ['\x1b[99;5u', undefined],
])('interact leaves by %j while it connects again, also within a line', async (keys, escape) => {
  const { stdin, done } = await broken({ escape });
  stdin.write(keys);
  expect(await done).toBe(0);
  expect(String(rig.vm.input)).toBe('abc');
});

test('interact leaves while an attempt to connect again hangs', async () => {
  let attempts = 0;
  const reconnect: Reconnect = async (signal) => {
    attempts++;
    await once(signal, 'abort');
    throw new VsbError('E_CONSOLE_UNREACHABLE', 'given up');
  };
  const { stdin, done } = await broken({ reconnect });
  await eventually(() => expect(attempts).toBe(1));
  stdin.write('~.');
  expect(await done).toBe(0);
});

test('interact leaves while it connects again although the VM has not taken what was typed', async () => {
  const stdin = new FakeTerminal();
  const channel = new Duplex({ read: () => {}, write: () => {} });
  const closed = once(channel, 'close').then(() => undefined);
  const checkEnd = (): void => {
    throw new VsbError('E_CONSOLE_CLOSED', 'broken');
  };
  const connection = { ...(await connectGateway(rig.target())), channel, closed, checkEnd };
  const done = interact(connection, {
    ...{ vm: 'vm1', stdin, stdout: new Sink(), stderr: new Sink(), escape: '~' },
    reconnect: async () => await connectGateway(rig.target()),
    signal: new AbortController().signal,
  });
  stdin.write(Buffer.alloc(channel.writableHighWaterMark));
  await eventually(() => expect(stdin.isPaused()).toBe(true));
  await rig.gateway.close();
  channel.destroy();
  stdin.write('~.');
  expect(await done).toBe(0);
});

test('interact does not connect again to a gateway with another key', async () => {
  const stdin = new FakeTerminal();
  const reconnect = () =>
    connectGateway(rig.target({ hostKeyFingerprint: fingerprintOfLine(strangerKey.publicLine) }));
  const done = interact(await connectGateway(rig.target()), {
    ...{ vm: 'vm1', stdin, stdout: new Sink(), stderr: new Sink(), escape: '~', reconnect },
    signal: new AbortController().signal,
  });
  const failed = expect(done).rejects.toMatchObject({ code: 'E_CONSOLE_HOST_KEY', exitCode: 7 });
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  await rig.startGateway();
  await failed;
  expect(stdin.modes).toEqual([true, false]);
});

test('askGateway brings the answer to a verb, or why there is none', async () => {
  expect(String(await askGateway(rig.target(), 'who'))).toBe('nobody is at the console of vm1\n');
  await expect(askGateway(rig.target({ vm: 'vm9' }), 'who')).rejects.toMatchObject({
    code: 'E_VM_UNKNOWN',
  });
  await expect(askGateway(rig.target(), 'no verb')).rejects.toBeInstanceOf(VsbError);
});
