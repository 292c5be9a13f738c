/** The server of the page: what it serves, to whom, and how it begins and ends. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { createConnection, type Socket } from 'node:net';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

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
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
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

test('close ends the pages and their consoles', async () => {
  const page = await stack.page();
  await page.openVm1();
  await stack.server.close();
  expect(await page.closed).toBe(1001);
  await vi.waitFor(() => expect(stack.rig.gateway.sessions()).toEqual([]));
  await stack.serve();
});

/** A WebSocket that is refused, by one who keeps its own half of the connection open. */
async function refusedHalf(): Promise<Socket> {
  const { port } = stack.server;
  const socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined).resume();
  const headers = ['Connection: Upgrade', 'Upgrade: websocket', 'Origin: http://evil.example'];
  const lines = ['GET /console/socket HTTP/1.1', `Host: 127.0.0.1:${port}`, ...headers];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  await once(socket, 'end');
  return socket;
}

test('who is refused and stays half open keeps nobody out, nor the server from its end', async () => {
  const halves = await Promise.all(Array.from({ length: 128 }, refusedHalf));
  await vi.waitFor(async () => expect(await status('/')).toBe(200), { timeout: 10_000 });
  halves.push(await refusedHalf());
  await stack.server.close();
  for (const socket of halves) socket.destroy();
  await stack.serve();
});

test('a port that is taken is an error that says so', async () => {
  await expect(stack.serve(stack.server.port)).rejects.toMatchObject({
    code: 'E_PORT_TAKEN',
    exitCode: 3,
  });
});
