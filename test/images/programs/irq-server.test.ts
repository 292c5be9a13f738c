/** The interrupt server itself, compiled for a file system of the test's, told over its standard input as `--irq net` does. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

const source = fileURLToPath(new URL('../../../images/programs/irq-server/irq-server.c', import.meta.url));
const uuid = '0b8f1c7e-5d2a-4c3b-9e6f-a1b2c3d4e5f6';
const raise = 'o/b 0x3f9 2\n';
const lower = 'o/b 0x3f9 0\n';

let directory: string;
let program: string;
let running: ChildProcessWithoutNullStreams | undefined;
const monitors: Monitor[] = [];

/** The human monitor of one QEMU. */
class Monitor {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #path: string;
  #heard = '';
  #listener: () => void = () => undefined;

  private constructor(path: string) {
    this.#path = path;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.write('QEMU 7.2.22 monitor - type help for more information\r\n(qemu) ');
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        this.#heard += chunk.toString();
        this.#listener();
      });
    });
    monitors.push(this);
  }

  static async start(name: string): Promise<Monitor> {
    const folder = join(directory, 'run/vm', name);
    await mkdir(folder, { recursive: true });
    const monitor = new Monitor(join(folder, 'monitor.sock'));
    monitor.#server.listen(monitor.#path);
    await once(monitor.#server, 'listening');
    return monitor;
  }

  /** Resolves with what was heard since the last call, when it is that long. */
  async hear(length: number): Promise<string> {
    while (this.#heard.length < length) {
      await new Promise<void>((resolve) => (this.#listener = resolve));
    }
    const heard = this.#heard;
    this.#heard = '';
    return heard;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await rm(this.#path, { force: true });
  }
}

async function define(name: string, id: string): Promise<void> {
  const folder = join(directory, 'etc/vsbypass/vms', name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'argv'), `qemu-system-x86_64\n-name\n${name}\n-uuid\n${id}\n`);
}

async function start(): Promise<ChildProcessWithoutNullStreams> {
  running = spawn(program, ['net', 'kvm']);
  const [said] = (await once(running.stdout, 'data')) as [Buffer];
  expect(said.toString()).toBe('ready\n');
  return running;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-irq-'));
  program = join(directory, 'irq-server');
  await execa('gcc', [
    ...['-std=gnu11', '-O1', '-g', '-Wall', '-Wextra', '-Werror', '-fsanitize=address,undefined'],
    ...[`-DROOT="${directory}"`, '-o', program, source],
  ]);
}, 60_000);
afterEach(async () => {
  running?.kill('SIGKILL');
  running = undefined;
  for (const monitor of monitors.splice(0)) await monitor.stop();
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

it('raises and lowers the line of the VM with that UUID', async () => {
  await define('vm1', uuid);
  await define('vm2', uuid.replace('0b', '1b'));
  const [first, second] = [await Monitor.start('vm1'), await Monitor.start('vm2')];
  const { stdin } = await start();
  stdin.write(`${uuid} 1\n`);
  expect(await first.hear(raise.length)).toBe(raise);
  stdin.write(`${uuid} 0\n${uuid.replace('0b', '1b')} 1\n`);
  expect(await first.hear(lower.length)).toBe(lower);
  expect(await second.hear(raise.length)).toBe(raise);
});

it('makes an edge for a line that is up already', async () => {
  await define('vm1', uuid);
  const monitor = await Monitor.start('vm1');
  const { stdin } = await start();
  stdin.write(`${uuid} 1\n${uuid} 1\n`);
  const edges = raise + lower + raise;
  expect(await monitor.hear(edges.length)).toBe(edges);
});

it('finds a VM that was started anew, and one that was not there before', async () => {
  const other = uuid.replace('0b', '1b');
  await define('vm1', uuid);
  await define('vm2', other);
  const bystander = await Monitor.start('vm2');
  const { stdin } = await start();
  stdin.write(`${uuid} 1\n${other} 1\n`);
  // The line before has been dealt with by then.
  expect(await bystander.hear(raise.length)).toBe(raise);
  const before = await Monitor.start('vm1');
  stdin.write(`${uuid} 0\n${uuid} 1\n`);
  expect(await before.hear(lower.length + raise.length)).toBe(lower + raise);
  await before.stop();
  const after = await Monitor.start('vm1');
  stdin.write(`${uuid} 1\n`);
  expect(await after.hear(raise.length)).toBe(raise);
});

it('ignores what is not a line of ours, however long', async () => {
  await define('vm1', uuid);
  const monitor = await Monitor.start('vm1');
  const { stdin } = await start();
  stdin.write(`\n${uuid}\n${uuid.replace('0', '/')} 1\n../../../../../../etc/passwd 1\n`);
  stdin.write(`${'x'.repeat(10_000)}\n${uuid} 1\n`);
  expect(await monitor.hear(raise.length)).toBe(raise);
});

it('ends with its standard input', async () => {
  const server = await start();
  server.stdin.end();
  expect(await once(server, 'exit')).toEqual([0, null]);
});

it('tells how it is used', async () => {
  const { exitCode, stderr } = await execa(program, ['doorbell', 'kvm'], { reject: false });
  expect({ exitCode, stderr }).toEqual({
    exitCode: 2,
    stderr: 'usage: irq-server ultracall|net kvm|xen',
  });
});
