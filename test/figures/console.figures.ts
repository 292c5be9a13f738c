/**
 * The figures of the gateway in docs/measurements: gateway, clients and fake VM in processes of their own, over loopback. Needs
 * the compiled program, a quiet machine, and half a minute: `npx vitest run --project figures`.
 */
import { execFile, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { connectGateway } from '../../src/console/client/gateway-client.js';
import { renderSshConfig } from '../../src/console/client/ssh-config.js';
import type { AttachRequest } from '../../src/contract/gateway.js';
import {
  fingerprintOfLine,
  generateKey,
  knownHostsLine,
} from '../../src/formats/keys/key-files.js';
import { FakeL1 } from '../rig/fake-l1.js';
import type { FakeVm } from '../rig/fake-vm.js';
import { uuid1 } from '../rig/hub-rig.js';

const hostKey = generateKey('host');
const clientKey = generateKey('client');
const size = { columns: 80, rows: 24 };
const watchers = 100;
/** How long throughput is measured, milliseconds. */
const floodMs = 5000;

let directory: string;
let l1: FakeL1;
let vm: FakeVm;
let gateway: ChildProcess;
let port: number;
const children: ChildProcess[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-fig-'));
  l1 = await FakeL1.start();
  vm = l1.addVm({ uuid: uuid1 });
  gateway = child('figures-gateway.mjs', {
    linkSocket: l1.socketPath,
    hostKeyPem: hostKey.privatePem,
    authorizedKey: clientKey.publicLine,
  });
  ({ port } = await answer<{ port: number }>(gateway));
});

afterAll(async () => {
  for (const one of children) one.kill('SIGKILL');
  await l1.stop();
  await rm(directory, { recursive: true, force: true });
});

function child(file: string, options: unknown): ChildProcess {
  const path = fileURLToPath(new URL(`../../scripts/${file}`, import.meta.url));
  const started = fork(path, [JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  children.push(started);
  return started;
}

async function answer<T>(from: ChildProcess): Promise<T> {
  const [message] = (await once(from, 'message', { signal: AbortSignal.timeout(60_000) })) as [T];
  return message;
}

async function ask<T>(of: ChildProcess): Promise<T> {
  const answered = answer<T>(of);
  of.send({});
  return await answered;
}

function show(figure: string, value: string): void {
  process.stdout.write(`${figure.padEnd(64)} ${value}\n`);
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

async function connect(attach: Partial<AttachRequest>, terminal = false) {
  return await connectGateway({
    ...{ host: '127.0.0.1', port, vm: 'vm1', privateKeyPem: clientKey.privatePem },
    hostKeyFingerprint: fingerprintOfLine(hostKey.publicLine),
    attach: { as: 'take', replay: undefined, sanitize: false, ...attach },
    size: terminal ? size : undefined,
    signal: new AbortController().signal,
  });
}

/** Milliseconds of each of several runs. */
async function times(runs: number, run: () => Promise<unknown>): Promise<number[]> {
  const all: number[] = [];
  for (let count = 0; count < runs; count++) {
    const start = performance.now();
    await run();
    all.push(performance.now() - start);
  }
  return all;
}

const milliseconds = (values: readonly number[]): string =>
  `${quantile(values, 0.5).toFixed(1)} ms (p95 ${quantile(values, 0.95).toFixed(1)} ms)`;

test('attach to prompt', async () => {
  vm.print(`${'boot message\r\n'.repeat(200)}login: `);
  const attach = async (): Promise<void> => {
    const connection = await connect({}, true);
    let text = '';
    for await (const bytes of connection.channel) {
      text += String(bytes);
      if (text.includes('login: ')) break;
    }
    connection.destroy();
  };
  await attach();
  const own = await times(20, attach);
  show('attach to prompt, our client', milliseconds(own));
  const openSsh = await times(20, async () => await promptOf('/usr/bin/ssh', await sshWords()));
  show('attach to prompt, OpenSSH, its start included', milliseconds(openSsh));
  expect(quantile(own, 0.5)).toBeLessThan(150);
});

async function sshWords(): Promise<string[]> {
  const identityFile = join(directory, 'key');
  const knownHostsFile = join(directory, 'known_hosts');
  const config = join(directory, 'config');
  await writeFile(identityFile, clientKey.privatePem);
  await chmod(identityFile, 0o600);
  await writeFile(knownHostsFile, knownHostsLine('figures', hostKey.publicLine));
  const about = { instance: 'figures', vms: ['vm1'], host: '127.0.0.1', port };
  await writeFile(config, renderSshConfig({ ...about, identityFile, knownHostsFile }));
  return ['-F', config, 'vm1'];
}

async function promptOf(program: string, words: string[]): Promise<void> {
  const ssh = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  for await (const bytes of ssh.stdout) {
    text += String(bytes);
    if (text.includes('login: ')) break;
  }
  ssh.kill();
}

test('a key and its echo', async () => {
  const connection = await connect({ replay: 'none' });
  vm.onInput = (bytes) => vm.print(bytes);
  const { channel } = connection;
  const key = async (): Promise<void> => {
    const echoed = once(channel, 'data');
    channel.write('x');
    await echoed;
  };
  await times(200, key);
  const keys = await times(1000, key);
  vm.onInput = () => {};
  connection.destroy();
  show('key to echo, both ways, client and fake VM included', milliseconds(keys));
  expect(quantile(keys, 0.5)).toBeLessThan(1);
});

test('a history of 1 MB as a screen', async () => {
  const line = '[   12.345678] usb 1-1: new high-speed USB device number 2 using xhci_hcd\r\n';
  const coloured = '\x1b[32m[  OK  ]\x1b[0m Started \x1b[1msome-service.service\x1b[0m.\r\n';
  const end = 'login: done';
  vm.print((line + coloured).repeat(8000).slice(0, 1_048_576 - 1000) + end);
  await arrived(end);
  const connection = await connect({ replay: 'none' });
  const draw = async () => await connection.ask('history screen', size);
  const [first = NaN] = await times(1, draw);
  const drawn = await times(10, draw);
  connection.destroy();
  show('1 MB of history as a screen, first (thread started)', `${first.toFixed(0)} ms`);
  show('1 MB of history as a screen, later', milliseconds(drawn));
  expect(quantile(drawn, 0.5)).toBeLessThan(300);
});

/** Waits until the gateway has all that was printed. */
async function arrived(end: string): Promise<void> {
  const connection = await connect({ replay: 'lines' });
  let tail = '';
  for await (const bytes of connection.channel) {
    tail = (tail + String(bytes)).slice(-100);
    if (tail.endsWith(end)) break;
  }
  connection.destroy();
  expect(tail.endsWith(end)).toBe(true);
}

test('a flooding VM, without and with watchers', async () => {
  const privateKey = clientKey.privatePem;
  const flood = Buffer.from(
    'a line of a flood, as long as lines of logs are in general: 0123456789\r\n'.repeat(64),
  );
  let flooding = true;
  void (async () => {
    while (flooding) {
      if (vm.sender.buffered < 64 * 1024) vm.print(flood);
      await delay(0);
    }
  })();
  const writer = child('figures-clients.mjs', { port, privateKey, verb: 'take none', count: 1 });
  await answer(writer);
  const rate = async (): Promise<number> => {
    const before = await ask<{ seen: number[] }>(writer);
    const start = performance.now();
    await delay(floodMs);
    const after = await ask<{ seen: number[] }>(writer);
    const seconds = (performance.now() - start) / 1000;
    return ((after.seen[0] ?? 0) - (before.seen[0] ?? 0)) / seconds;
  };
  await rate();
  const alone = await rate();
  const options = { port, privateKey, verb: 'watch none', count: watchers };
  const lookers = child('figures-clients.mjs', options);
  await answer(lookers);
  await rate();
  const watched = await rate();
  const { rss } = await ask<{ rss: number }>(gateway);
  const { seen } = await ask<{ seen: number[] }>(lookers);
  flooding = false;
  const cost = 1 - watched / alone;
  show('flood at the writer, alone', `${(alone / 1e6).toFixed(2)} MB/s`);
  show(`flood at the writer, ${watchers} watchers`, `${(watched / 1e6).toFixed(2)} MB/s`);
  show('cost of the watchers', `${(cost * 100).toFixed(1)} %`);
  show('least that a watcher has seen meanwhile', `${(Math.min(...seen) / 1e6).toFixed(2)} MB`);
  show('memory of the gateway process then', `${(rss / 1_048_576).toFixed(0)} MiB`);
  expect(cost).toBeLessThan(0.1);
  expect(rss).toBeLessThan(150 * 1_048_576);
});

test('the start of the program, for comparison', async () => {
  const executable = fileURLToPath(new URL('../../bin/vsbypass.js', import.meta.url));
  const started = await times(10, async () => {
    await promisify(execFile)(process.execPath, [executable, '--version']);
  });
  show('`vsbypass --version`', milliseconds(started));
  expect(quantile(started, 0.5)).toBeLessThan(500);
});
