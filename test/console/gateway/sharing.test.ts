import { setTimeout as delay } from 'node:timers/promises';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { whoSchema } from '../../../src/contract/documents/console.js';
import { collect, ConsoleRig, read } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';

let rig: ConsoleRig;

beforeEach(async () => {
  rig = await ConsoleRig.start();
});

afterEach(async () => {
  await rig.stop();
});

const { clientKey, strangerKey } = ConsoleRig;
const bob = { privateKey: strangerKey.privatePem };

async function withBob(): Promise<void> {
  await rig.startGateway({
    authorizedKeys: [`${clientKey.publicLine} alice`, `${strangerKey.publicLine} bob`],
  });
}

test('the second at a console only sees it, is told who types, and types when nobody does any more', async () => {
  await withBob();
  const first = await rig.shell(await rig.login());
  const second = await rig.shell(await rig.login(bob));
  const seen = collect(second);
  await vi.waitFor(() =>
    expect(seen.notices).toMatch(/you only see this: alice 127\S+ types here/),
  );
  second.write('no');
  await vi.waitFor(() =>
    expect(seen.notices).toMatch(/not typed: alice \S+ types at this console/),
  );
  first.write('yes');
  rig.vm.print('both see this');
  expect(String(await read(first, 13))).toBe('both see this');
  await eventually(() => expect(seen.text).toBe('both see this'));
  first.end();
  await eventually(() => expect(seen.notices).toContain('has left, nobody types here now'));
  second.write('mine');
  expect(String(await rig.vm.inputReached(7))).toBe('yesmine');
  expect(seen.notices).toContain('you type here now');
});

test('take takes typing over, and who typed before is told by whom', async () => {
  await withBob();
  const first = await rig.shell(await rig.login());
  const seen = collect(first);
  const second = await rig.exec(await rig.login(bob), 'take');
  await vi.waitFor(() =>
    expect(seen.notices).toMatch(/bob 127\S+ types here now, you only see it/),
  );
  first.write('no');
  second.write('yes');
  expect(String(await rig.vm.inputReached(3))).toBe('yes');
  expect(rig.events.filter(({ type }) => type === 'session-writes')).toMatchObject([
    { key: 'alice', writes: false },
  ]);
});

test('a session can take typing over later, through its own connection', async () => {
  await withBob();
  const first = collect(await rig.shell(await rig.login()));
  const client = await rig.login(bob);
  const second = await rig.shell(client);
  expect(await rig.ending(await rig.exec(client, 'write'))).toMatchObject({ status: 0 });
  await eventually(() => expect(first.notices).toContain('bob'));
  second.write('mine');
  expect(String(await rig.vm.inputReached(4))).toBe('mine');
});

test('a watcher never types, not even where nobody else does', async () => {
  const channel = await rig.exec(await rig.login(), 'watch');
  const seen = collect(channel);
  channel.write('no');
  await eventually(() => expect(seen.notices).toContain('not typed: this session only watches'));
  rig.vm.print('seen');
  await eventually(() => expect(seen.text).toBe('seen'));
  const client = await rig.login();
  await rig.exec(client, 'watch');
  expect(await rig.ending(await rig.exec(client, 'write'))).toMatchObject({
    status: 2,
    notices: 'vsbypass: this session only watches [E_CONSOLE_REFUSED]\r\n',
  });
  expect(rig.vm.input.length).toBe(0);
});

test('who must type is refused while somebody else does', async () => {
  await rig.shell(await rig.login());
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  expect(await rig.ask('attach write')).toMatchObject({
    status: 2,
    notices: expect.stringMatching(/alice \S+ types at 'vm1' \[E_CONSOLE_REFUSED\]/) as string,
  });
});

test('who tells who is there and what they may do, as text and as a document', async () => {
  await withBob();
  await rig.shell(await rig.login());
  await rig.exec(await rig.login(bob), 'watch');
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(2));
  const { output } = await rig.ask('who');
  expect(output).toMatch(/^types {4}alice 127\S+ since \S+Z\nwatches {2}bob 127\S+ since \S+Z\n$/);
  expect(whoSchema.parse(JSON.parse((await rig.ask('who json')).output))).toMatchObject({
    vm: 'vm1',
    sessions: [
      { may: 'write', writes: true },
      { may: 'watch', writes: false, missed: 0 },
    ],
  });
});

test('status tells of the VM, its path and its output', async () => {
  await rig.print('12345');
  const { output, status } = await rig.ask('status');
  expect(status).toBe(0);
  expect(output).toContain('VM vm1: running\npath: secure: shadow UART of slot 0');
  expect(output).toContain('output: 5 bytes, the last 5 are kept; input: 0 bytes');
  rig.vm.update({ hooked: false });
  await eventually(() => expect(rig.hub.vm('vm1')?.vm?.hooked).toBe(false));
  expect((await rig.ask('status')).output).toContain('path: NOT SECURE');
  expect(JSON.parse((await rig.ask('status json')).output)).toMatchObject({
    ...{ secure: false, bytesOut: 5, sessions: 0 },
  });
});

test('break sends a BREAK and then a key, but not into what somebody else types', async () => {
  expect(await rig.ask('break t')).toMatchObject({ status: 0, output: "BREAK and 't' sent\n" });
  await rig.vm.requested('break');
  expect(String(await rig.vm.inputReached(1))).toBe('t');
  const seen = collect(await rig.shell(await rig.login()));
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  expect(await rig.ask('break')).toMatchObject({ status: 2 });
  expect(await rig.ask('break take h')).toMatchObject({ status: 0 });
  expect(String(await rig.vm.inputReached(2))).toBe('th');
  await eventually(() => expect(seen.notices).toContain('you only see it'));
  expect(rig.events.filter(({ type }) => type === 'break')).toHaveLength(2);
});

test('size types stty with the size of the terminal that is asked for', async () => {
  const client = await rig.login();
  const channel = await rig.exec(client, 'size', { pty: { cols: 132, rows: 43 } });
  expect((await rig.ending(channel)).status).toBe(0);
  expect(String(await rig.vm.inputReached(22))).toBe('stty rows 43 cols 132\r');
  expect(await rig.ask('size')).toMatchObject({ status: 2 });
});

test('help lists the verbs, and what is no verb is refused as a whole', async () => {
  expect((await rig.ask('help')).output).toContain('who [json]');
  const client = await rig.login();
  for (const command of ['id', '', 'who; id', 'attach all', 'break tt', 'watch watch', 'help me']) {
    await expect(rig.exec(client, command), command).rejects.toThrow('Unable to exec');
  }
});

test('a connection has so many channels at one time, one after the other as many as it likes', async () => {
  const client = await rig.login();
  for (let count = 0; count < 50; count++) {
    expect((await rig.ending(await rig.exec(client, 'help'))).status).toBe(0);
  }
  for (let count = 0; count < 32; count++) await rig.exec(client, 'watch');
  await expect(rig.exec(client, 'watch')).rejects.toThrow();
  expect(rig.gateway.sessions()).toHaveLength(32);
  expect(await rig.ask('write')).toMatchObject({ status: 2 });
});

test('100 watchers and a writer at one VM all see everything, and the writer types', async () => {
  const writer = await rig.shell(await rig.login());
  const watchers: { text: string }[] = [];
  for (let count = 0; count < 100; count++) {
    watchers.push(collect(await rig.exec(await rig.login(), 'watch')));
  }
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(101));
  const text = 'line of output\r\n'.repeat(100);
  rig.vm.print(text);
  expect(String(await read(writer, text.length))).toBe(text);
  writer.write('typed');
  expect(String(await rig.vm.inputReached(5))).toBe('typed');
  await eventually(() => expect(watchers.every((seen) => seen.text === text)).toBe(true));
});

test.each(['\x1b', '\x1b^', '\x1b]'])(
  'keys after %j are typed, not a part of an answer that the terminal gives',
  async (first) => {
    const idleMs = 1000;
    await rig.startGateway({ limits: { idleMs } });
    const channel = await rig.exec(await rig.login(), 'attach');
    const seen = collect(channel);
    channel.write(first);
    await rig.vm.inputReached(first.length);
    const end = performance.now() + 1.5 * idleMs;
    for (let count = first.length + 1; performance.now() < end; count++) {
      await delay(150);
      channel.write(count % 2 === 0 ? 'P' : '^');
      await rig.vm.inputReached(count);
    }
    expect(seen.notices).not.toContain('nothing was typed');
    expect(rig.gateway.sessions()).toHaveLength(1);
  },
);

test('a lone ESC is typed, also by one who has not typed yet', async () => {
  const first = await rig.shell(await rig.login());
  const second = await rig.shell(await rig.login());
  const seen = collect(second);
  first.end();
  await eventually(() => expect(seen.notices).toContain('nobody types here now'));
  second.write('\x1b');
  expect(String(await rig.vm.inputReached(1))).toBe('\x1b');
});

test('a session in which nothing is typed for long ends, one that watches does not', async () => {
  await rig.startGateway({ limits: { idleMs: 50 } });
  const watcher = await rig.exec(await rig.login(), 'watch');
  const ended = await rig.ending(await rig.exec(await rig.login(), 'attach'));
  expect(ended).toMatchObject({ status: 124 });
  expect(ended.notices).toContain('nothing was typed for 0 s');
  rig.vm.print('x');
  expect(String(await read(watcher, 1))).toBe('x');
});
