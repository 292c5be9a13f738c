import { PassThrough } from 'node:stream';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { serveWeb } from '../../src/cli/actions/web.js';
import type { CliContext } from '../../src/cli/context.js';
import type { InstanceAccess } from '../../src/console/client/instance-access.js';
import { FakePage, WebStack } from '../rig/web-stack.js';

let stack: WebStack;

beforeEach(async () => {
  stack = await WebStack.start();
});

afterEach(async () => {
  await stack.stop();
});

class Terminal extends PassThrough {
  isTTY = true;
}

function contextOf(access: InstanceAccess = stack.access()) {
  const out = { stdout: '', stderr: '' };
  const abort = new AbortController();
  const stdin = new Terminal();
  const context: CliContext = {
    env: {},
    stdin,
    stdout: new PassThrough().on('data', (part: Buffer) => (out.stdout += part.toString())),
    stderr: new PassThrough().on('data', (part: Buffer) => (out.stderr += part.toString())),
    signal: abort.signal,
    global: { name: 'lab', quiet: false, verbose: false },
    instance: () => Promise.resolve(access),
    doing: () => undefined,
    exitWith: () => {},
  };
  const serve = (vm?: string) => serveWeb(context, vm, { webPort: 0, scripts: stack.directory });
  return { out, abort, stdin, serve };
}

test('console --web prints a link, another for Enter, serves the console and ends with its signal', async () => {
  const { out, abort, stdin, serve } = contextOf();
  const done = serve('vm1');
  await vi.waitFor(() => expect(out.stdout).toMatch(/\n$/));
  expect(out.stderr).toContain('The link works once');
  const link = new URL(out.stdout.trim());
  expect(link.hash).toMatch(/^#[\w-]{43}\/vm1$/);
  stdin.write('\n');
  await vi.waitFor(() => expect(out.stdout.trim().split('\n')).toHaveLength(2));

  const token = link.hash.slice(1).split('/')[0] ?? '';
  const headers = { Origin: link.origin };
  const url = `${link.origin}/console/session`;
  const answer = await fetch(url, { method: 'POST', body: token, headers });
  const { key } = (await answer.json()) as { key: string };
  const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? '';
  const { WebSocket } = await import('ws');
  const page = new FakePage(
    new WebSocket(`ws://${link.host}/console/socket`, { headers: { ...headers, Cookie: cookie } }),
  );
  await page.sayHello(key);
  expect(await page.next('instance')).toEqual({
    type: 'instance',
    name: 'lab',
    vms: [
      { name: 'vm1', secure: true, watched: [] },
      { name: 'vm2', secure: true, watched: [] },
    ],
  });
  page.send({ type: 'open', vm: 'vm1', notSecure: false });
  await page.next('opened');
  page.socket.send(Buffer.from('root'));
  expect((await stack.vm1.inputReached(4)).toString()).toBe('root');
  abort.abort(new VsbError('E_INTERRUPTED', 'ended by SIGINT'));
  await expect(done).rejects.toMatchObject({ code: 'E_INTERRUPTED', exitCode: 130 });
  expect(await page.closed).toBe(1001);
});

test('console --web refuses a VM that there is not', async () => {
  await expect(contextOf().serve('vm9')).rejects.toMatchObject({
    code: 'E_VM_UNKNOWN',
    hint: "Did you mean 'vm1'? There are: vm1, vm2.",
  });
});
