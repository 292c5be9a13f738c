import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { INPUT_PIECE, MAX_MESSAGE, OUTPUT_WINDOW } from '../../src/web/page/limits.js';
import { FakePage, WebStack } from '../rig/web-stack.js';

let stack: WebStack;

beforeEach(async () => {
  stack = await WebStack.start();
});

afterEach(async () => {
  await stack.stop();
});

/** The status of a request whose headers are what the test says. */
async function status(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<number | undefined> {
  const sent = request({ port: stack.server.port, host: '127.0.0.1', path, method, headers });
  sent.end();
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  response.resume();
  return response.statusCode;
}

/** The status that a WebSocket is refused with, or 101. */
async function upgradeStatus(headers: Record<string, string>): Promise<number | undefined> {
  const socket = stack.webSocket(headers);
  return await new Promise((resolve) => {
    socket.once('unexpected-response', (_request, { statusCode }) => resolve(statusCode));
    socket.once('open', () => {
      socket.terminate();
      resolve(101);
    });
  });
}

async function openVm1(page: FakePage): Promise<void> {
  page.send({ type: 'open', vm: 'vm1', notSecure: false });
  await page.next('opened');
}

test('serves its own files only, with headers that let nothing else in', async () => {
  const answer = await fetch(`${stack.origin}/`);
  expect(answer.status).toBe(200);
  const policy = answer.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'; script-src 'self';");
  expect(policy).not.toMatch(/unsafe|\*|https?:|data:/);
  expect(answer.headers.get('x-frame-options')).toBe('DENY');
  expect(answer.headers.get('cache-control')).toBe('no-store');
  const html = await answer.text();
  expect(html).not.toMatch(/<script>|<style|\son\w+=|\sstyle=/);
  const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? '');
  expect(links.length).toBeGreaterThan(3);
  for (const path of links) expect(await status(path)).toBe(200);
  for (const path of [
    '/../package.json',
    '/page/../../../package.json',
    '/page/',
    '/x',
    '/%2e%2e',
  ]) {
    expect(await status(path)).toBe(404);
  }
  expect(await status('/', {}, 'POST')).toBe(405);
  expect(await status('/', {}, 'HEAD')).toBe(200);
});

test('a foreign Host or Origin gets nothing', async () => {
  expect(await status('/', { Host: `evil.example:${stack.server.port}` })).toBe(421);
  expect(await status('/', { Host: `localhost:${stack.server.port}` })).toBe(200);
  const token = stack.token();
  expect((await stack.redeem(token, { Origin: 'http://evil.example' })).status).toBe(403);
  expect((await stack.redeem(token, {})).status).toBe(403);
  const { cookie } = await stack.admit();
  expect(await upgradeStatus({ Cookie: cookie })).toBe(101);
  expect(await upgradeStatus({ Cookie: cookie, Origin: 'http://evil.example' })).toBe(403);
  const neighbour = `http://127.0.0.1:${stack.server.port + 1}`;
  expect(await upgradeStatus({ Cookie: cookie, Origin: neighbour })).toBe(403);
  const host = `evil.example:${stack.server.port}`;
  const rebound = { Cookie: cookie, Host: host, Origin: `http://${host}` };
  expect(await upgradeStatus(rebound)).toBe(403);
});

test('a token is exchanged once, for a cookie that scripts do not see', async () => {
  const token = stack.token();
  const answer = await stack.redeem(token);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('set-cookie')).toMatch(
    /^vsbypass-\d+=[\w-]{43}; Path=\/console; HttpOnly; SameSite=Strict$/,
  );
  const again = await stack.redeem(token);
  expect([again.status, await again.json()]).toEqual([403, { reason: 'used' }]);
  expect(again.headers.get('set-cookie')).toBeNull();
  expect((await stack.redeem('x'.repeat(600))).status).toBe(413);
});

test('a WebSocket needs the cookie, and then the proof that belongs to it', async () => {
  const one = await stack.admit();
  const other = await stack.admit();
  expect(await upgradeStatus({})).toBe(403);
  expect(await upgradeStatus({ Cookie: `vsbypass-${stack.server.port}=guess` })).toBe(403);
  const stolen = new FakePage(stack.webSocket({ Cookie: one.cookie }));
  await stolen.sayHello(other.key);
  expect(await stolen.closed).toBe(4403);
  const hasty = new FakePage(stack.webSocket({ Cookie: one.cookie }));
  await hasty.opened;
  hasty.send({ type: 'open', vm: 'vm1', notSecure: true });
  expect(await hasty.closed).toBe(1008);
  const typing = new FakePage(stack.webSocket({ Cookie: one.cookie }));
  await typing.opened;
  typing.socket.send(Buffer.from('typed'));
  expect(await typing.closed).toBe(1008);
  expect(stack.vm1.input.length).toBe(0);
});

test('a page reads the history, types, sends BREAK and SysRq', async () => {
  const vm = stack.vm1;
  vm.print('login: ');
  const page = await stack.page();
  await openVm1(page);
  expect(await page.outputReached(7)).toBe('login: ');
  page.socket.send(Buffer.from('root\r'));
  expect((await page.next('taken')).bytes).toBe(5);
  expect((await vm.inputReached(5)).toString()).toBe('root\r');
  page.send({ type: 'break' });
  await vm.requested('break');
  page.send({ type: 'sysrq', key: 't' });
  expect((await vm.inputReached(6)).toString()).toBe('root\rt');
  expect(vm.requests.filter(({ type }) => type === 'break')).toHaveLength(2);
});

test('another VM is opened instead; an unknown one is said to be that', async () => {
  stack.vm2.print('second');
  const page = await stack.page();
  await openVm1(page);
  page.send({ type: 'open', vm: 'vm2', notSecure: false });
  expect(await page.next('opened')).toMatchObject({ vm: 'vm2', secure: true, session: 2 });
  expect(await page.outputReached(6)).toBe('second');
  await vi.waitFor(() => expect(stack.rig.gateway.sessions()).toHaveLength(1));
  page.send({ type: 'open', vm: 'vm9', notSecure: false });
  expect((await page.next('ended')).message).toContain("no VM is known as 'vm9'");
});

test('a console that is not secure opens only for who has been told, and a switch ends the session', async () => {
  stack.unhooked = ['vm1'];
  const page = await stack.page();
  page.send({ type: 'open', vm: 'vm1', notSecure: false });
  expect(await page.next('not-secure')).toEqual({ type: 'not-secure', vm: 'vm1' });
  page.send({ type: 'open', vm: 'vm1', notSecure: true });
  expect(await page.next('opened')).toMatchObject({ secure: false });
  page.send({ type: 'sysrq', key: 'b' });
  stack.unhooked = [];
  expect(await page.next('ended')).toMatchObject({ retry: true });
  await openVm1(page);
  stack.unhooked = ['vm1'];
  expect(await page.next('ended')).toMatchObject({
    message: expect.stringContaining('not secure any more') as string,
    retry: false,
  });
  // The key of the SysRq would have been typed without its BREAK.
  expect(stack.vm1.input.length).toBe(0);
});

test('one page types, another looks on until it takes over; both are told', async () => {
  const first = await stack.page();
  await openVm1(first);
  expect(await first.next('who')).toMatchObject({
    sessions: [{ who: expect.stringContaining('alice') as string, you: true, writes: true }],
  });
  const second = await stack.page();
  await openVm1(second);
  const { sessions } = await second.next('who');
  expect(sessions.map(({ you, writes }) => [you, writes])).toEqual([
    [false, true],
    [true, false],
  ]);
  second.socket.send(Buffer.from('lost'));
  await vi.waitFor(() => expect(JSON.stringify(second.messages)).toContain('not typed'));
  second.send({ type: 'take' });
  await vi.waitFor(() => {
    const last = second.messages.filter((message) => message.type === 'who').at(-1);
    expect(last?.sessions.map(({ writes }) => writes)).toEqual([false, true]);
  });
  await vi.waitFor(() => expect(JSON.stringify(first.messages)).toContain('types here now'));
  second.socket.send(Buffer.from('typed'));
  expect((await stack.vm1.inputReached(5)).toString()).toBe('typed');
});

test('the loss of the gateway is said, and the console opens again', async () => {
  const page = await stack.page();
  await openVm1(page);
  await stack.rig.gateway.close();
  expect(await page.next('ended')).toMatchObject({ retry: true });
  page.send({ type: 'open', vm: 'vm1', notSecure: false });
  expect(await page.next('ended')).toMatchObject({ retry: true });
  await stack.rig.startGateway();
  await openVm1(page);
});

test('a page that shows nothing gets no more than the window, and delays nobody', async () => {
  const slow = await stack.page();
  slow.reads = false;
  await openVm1(slow);
  const other = await stack.page();
  await openVm1(other);
  const vm = stack.vm1;
  const part = Buffer.alloc(100_000, 'x');
  for (let turn = 1; turn <= 7; turn++) {
    vm.print(part);
    await other.outputReached(turn * part.length);
  }
  expect(slow.output.length).toBeLessThan(OUTPUT_WINDOW + 64 * 1024);
  slow.reads = true;
  slow.send({ type: 'shown', session: slow.session, bytes: slow.output.length });
  const before = slow.output.length;
  await vi.waitFor(() => expect(slow.output.length).toBeGreaterThan(before));
});

test.each([
  ['not JSON', (page: FakePage) => page.socket.send('{')],
  ['an unknown type', (page: FakePage) => page.socket.send('{"type":"exec"}')],
  ['a key too many', (page: FakePage) => page.socket.send('{"type":"break","x":1}')],
  ['a SysRq that is no key', (page: FakePage) => page.socket.send('{"type":"sysrq","key":"\\r"}')],
  [
    'hello again',
    (page: FakePage) => page.send({ type: 'hello', nonce: 'n'.repeat(16), proof: '' }),
  ],
  ['more shown than sent', (page: FakePage) => page.send({ type: 'shown', session: 1, bytes: 99 })],
  ['too much at once', (page: FakePage) => page.socket.send(Buffer.alloc(INPUT_PIECE + 1))],
])('ends a page that sends %s', async (_name, spoil) => {
  const page = await stack.page();
  await openVm1(page);
  spoil(page);
  expect(await page.closed).toBe(1008);
});

test('ends a page that sends too much for a window, for a message, or opens without end', async () => {
  const [window, message, opener] = [await stack.page(), await stack.page(), await stack.page()];
  stack.vm1.setWindow(0);
  await openVm1(window);
  for (let turn = 0; turn < 400; turn++) window.socket.send(Buffer.alloc(INPUT_PIECE));
  message.socket.send(Buffer.alloc(MAX_MESSAGE + 1));
  for (let turn = 0; turn < 12; turn++) opener.send({ type: 'open', vm: 'vm2', notSecure: false });
  const codes = await Promise.all([window.closed, message.closed, opener.closed]);
  expect(codes).toEqual([1008, 1009, 1008]);
});

test('fuzzed HTTP, WebSocket frames and messages harm no other session', async () => {
  const good = await stack.page();
  await openVm1(good);
  const { cookie, key } = await stack.admit();
  const port = stack.server.port;
  const upgrade = [
    'GET /console/socket HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    `Origin: ${stack.origin}`,
    `Cookie: ${cookie}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    '\r\n',
  ].join('\r\n');
  const attempts = Array.from({ length: 120 }, async (_, index) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    const noise = randomBytes(1 + Math.floor(Math.random() * 3000));
    const head = index % 3 === 0 ? '' : index % 3 === 1 ? upgrade : upgrade.slice(0, 40 + index);
    socket.end(Buffer.concat([Buffer.from(head), noise]));
    await once(socket, 'close');
  });
  const words = ['type', 'open', 'hello', 'vm', 'vm1', 'proof', key, 'shown', 'bytes', 1e99, -1];
  const pick = () => words[Math.floor(Math.random() * words.length)];
  const messages = Array.from({ length: 40 }, async () => {
    const page = new FakePage(stack.webSocket({ Cookie: cookie }));
    await Promise.race([page.opened, page.closed]);
    if (page.socket.readyState !== page.socket.OPEN) return;
    if (Math.random() < 0.5) await page.sayHello(key);
    for (let turn = 0; turn < 20; turn++) {
      const document = { type: pick(), [String(pick())]: pick(), [String(pick())]: [pick()] };
      page.socket.send(JSON.stringify(document));
    }
    page.socket.close();
    await page.closed;
  });
  await Promise.all([...attempts, ...messages]);
  stack.vm1.print('fine');
  expect(await good.outputReached(4)).toBe('fine');
  good.socket.send(Buffer.from('typed'));
  expect((await stack.vm1.inputReached(5)).toString()).toBe('typed');
  expect((await stack.page()).socket.readyState).toBe(good.socket.OPEN);
});

test('so many messages in a second are only read more slowly', async () => {
  const page = await stack.page();
  await openVm1(page);
  for (let turn = 0; turn < 1200; turn++) page.socket.send(Buffer.from('k'));
  expect((await stack.vm1.inputReached(1200)).length).toBe(1200);
  expect(page.socket.readyState).toBe(page.socket.OPEN);
});

test('close ends the pages and their consoles', async () => {
  const page = await stack.page();
  await openVm1(page);
  await stack.server.close();
  expect(await page.closed).toBe(1001);
  await vi.waitFor(() => expect(stack.rig.gateway.sessions()).toEqual([]));
  await stack.serve();
});

test('a port that is taken is an error that says so', async () => {
  await expect(stack.serve(stack.server.port)).rejects.toMatchObject({
    code: 'E_PORT_TAKEN',
    exitCode: 3,
  });
});
