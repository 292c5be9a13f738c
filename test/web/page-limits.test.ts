/** Pages that send too much, too fast or nonsense, or take nothing: no other page notices. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
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

test('a page that shows nothing gets no more than the window, and delays nobody', async () => {
  const slow = await stack.page();
  slow.reads = false;
  await slow.openVm1();
  const other = await stack.page();
  await other.openVm1();
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
  await page.openVm1();
  spoil(page);
  expect(await page.closed).toBe(1008);
});

test('ends a page that sends too much for a window, for a message, or opens without end', async () => {
  const [window, message, opener] = [await stack.page(), await stack.page(), await stack.page()];
  stack.vm1.setWindow(0);
  await window.openVm1();
  for (let turn = 0; turn < 400; turn++) window.socket.send(Buffer.alloc(INPUT_PIECE));
  message.socket.send(Buffer.alloc(MAX_MESSAGE + 1));
  for (let turn = 0; turn < 12; turn++) opener.send({ type: 'open', vm: 'vm2', notSecure: false });
  const codes = await Promise.all([window.closed, message.closed, opener.closed]);
  expect(codes).toEqual([1008, 1009, 1008]);
});

test('fuzzed HTTP, WebSocket frames and messages harm no other session', async () => {
  const good = await stack.page();
  await good.openVm1();
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

test('a page that asks is answered, whether a console is open or not', async () => {
  const page = await stack.page();
  page.send({ type: 'ping' });
  await page.next('pong');
  await page.openVm1();
  page.send({ type: 'ping' });
  await page.next('pong');
});

test('so many messages in a second are only read more slowly', async () => {
  const page = await stack.page();
  await page.openVm1();
  for (let turn = 0; turn < 1200; turn++) page.socket.send(Buffer.from('k'));
  expect((await stack.vm1.inputReached(1200)).length).toBe(1200);
  expect(page.socket.readyState).toBe(page.socket.OPEN);
});
