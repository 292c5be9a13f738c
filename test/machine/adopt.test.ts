/** A daemon that is gone leaves a living QEMU, played by servers on its sockets; a new one takes it over. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { identifyProcess, type ProcessIdentity } from '../../src/base/process-identity.js';
import { parseConfig } from '../../src/config/load.js';
import { askGateway } from '../../src/console/client/gateway-client.js';
import { Testbed } from '../../src/daemon/testbed.js';
import { readKey } from '../../src/formats/keys/key-files.js';
import { inspectInstance } from '../../src/instance/inspect.js';
import { findLeftovers, removeLeftovers } from '../../src/machine/leftovers.js';
import { findAdoptable, writeResume, type Adoptable } from '../../src/machine/resume.js';
import type { Running, UpRequest } from '../../src/machine/running.js';
import { instancePaths, type InstancePaths } from '../../src/state/paths.js';
import { createInstanceDirectories } from '../../src/state/private-folders.js';
import { findRoots } from '../../src/state/roots.js';
import { readProcesses, vmUuid, writeProcesses } from '../../src/state/record.js';
import { FakeL1 } from '../rig/fake-l1.js';
import type { FakeVm } from '../rig/fake-vm.js';
import { greeting } from '../rig/fake-qmp.js';
import { startLivingProcess } from '../rig/living-process.js';
import { tcgCpuModel } from '../../src/host/cpu-model.js';

const dead: ProcessIdentity = { pid: 2 ** 22 + 1, startTime: '1' };
const since = '2026-01-02T03:04:05.000Z';
const uuid = vmUuid('default', 'vm1');

let directory: string;
let paths: InstancePaths;
let self: ProcessIdentity;
let qemu: ChildProcess;
let l1: FakeL1;
let vm: FakeVm;
let servers: Server[];
let testbed: Testbed;
/** What QMP was asked to do. */
let asked: string[];
/** L2's console. */
let l2Console: Socket | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-adopt-'));
  paths = instancePaths(
    'default',
    findRoots({
      XDG_STATE_HOME: directory,
      XDG_CACHE_HOME: directory,
      XDG_RUNTIME_DIR: directory,
    }),
  );
  await createInstanceDirectories(paths, {
    instances: join(directory, 'vsbypass', 'instances'),
    cache: directory,
    runtime: join(directory, 'vsbypass'),
  });
  const identity = await identifyProcess(process.pid);
  if (identity === undefined) throw new Error('a process knows itself');
  self = identity;
  asked = [];
  servers = [];
  await playQemu();
  testbed = new Testbed(paths, self, () => undefined);
});

afterEach(async () => {
  await testbed.down();
  qemu.kill('SIGKILL');
  for (const server of servers) server.close();
  await l1.stop();
  await rm(directory, { recursive: true, force: true });
});

async function playQemu(): Promise<void> {
  const words = ['qemu-system-x86_64', `unix:${paths.qmpSocket},server=on,wait=off`];
  const living = await startLivingProcess(words);
  qemu = living.child;
  await writeProcesses(paths, { daemon: dead, qemu: living.identity });
  l1 = await FakeL1.start(paths.linkSocket);
  vm = l1.addVm({ uuid });
  servers.push(createServer().listen(paths.l1Socket));
  servers.push(createServer((socket) => (l2Console = socket)).listen(paths.l2Socket));
  servers.push(
    createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(`${greeting}\r\n`);
      socket.on('data', (chunk: Buffer) => {
        for (const line of chunk.toString().trim().split('\n')) {
          const { execute, id } = JSON.parse(line) as { execute: string; id: number };
          asked.push(execute);
          if (execute === 'quit') qemu.kill('SIGKILL');
          const answer = answers[execute] ?? {};
          socket.write(`${JSON.stringify({ return: answer, id })}\r\n`);
        }
      });
    }).listen(paths.qmpSocket),
  );
}

const usernet = [
  '  TCP[HOST_FORWARD]  13  127.0.0.1 1  10.0.2.15  22  0  0',
  '  TCP[HOST_FORWARD]  14  127.0.0.1 2  10.0.2.16  22  0  0',
].join('\r\n');

const answers: Record<string, unknown> = {
  'human-monitor-command': usernet,
  'query-status': { status: 'running' },
};

/** What the old daemon has left written down. */
async function writtenDown(
  gatewayPort: number,
  hooks: Record<string, boolean> = {},
  config = '{}',
) {
  const request: UpRequest = {
    config: parseConfig(config, 'f'),
    accel: { accel: 'tcg', vendor: 'amd', why: 'a test', cpu: tcgCpuModel() },
    images: { xen: directory, l1: directory, l2: directory },
    keepFailed: false,
    warm: { must: false, keep: false },
  };
  await writeResume(
    {
      ...{ paths, request, gateway: { port: gatewayPort } },
      ...{ hooks: new Map(Object.entries(hooks)), wanted: new Set(['vm1']) },
    } as unknown as Running,
    since,
  );
}

async function adoptable(): Promise<Adoptable> {
  const found = await findAdoptable(paths, await findLeftovers(paths));
  if (found === undefined) throw new Error('there is something to take over');
  return found;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function ask(verb: string): Promise<string> {
  const { gateway } = testbed.status();
  if (gateway === undefined) throw new Error('it has a gateway');
  const { host, port, hostKeyFingerprint, clientKeyPath } = gateway;
  const { privatePem } = await readKey(clientKeyPath);
  const signal = AbortSignal.timeout(5000);
  const login = { host, port, hostKeyFingerprint, vm: 'vm1', privateKeyPem: privatePem, signal };
  return String(await askGateway(login, verb));
}

describe('Testbed.adopt', () => {
  it('takes a living QEMU over: consoles, port, time of the boot, and what came meanwhile', async () => {
    const port = await freePort();
    await writtenDown(port);
    expect(await inspectInstance(paths)).toMatchObject({
      state: 'broken',
      reason: expect.stringContaining('`vsbypass up` takes it over') as string,
    });
    vm.print('printed while nobody was there');
    await testbed.adopt(await adoptable());
    expect(testbed.state).toBe('running');
    expect(testbed.status()).toMatchObject({
      since,
      processes: { qemu: qemu.pid },
      gateway: { port },
    });
    await expect.poll(async () => await ask('history')).toBe('printed while nobody was there');
    expect(asked).toEqual(['qmp_capabilities', 'cont', 'human-monitor-command']);
    // Nobody is at its console now, whatever the old daemon has told L1.
    expect((await vm.requested('attached')).sessions).toBe(0);
    expect((await stat(paths.resume)).mode & 0o777).toBe(0o600);
  });

  it('leaves the hooks as they were switched', async () => {
    await writtenDown(await freePort(), { vm1: false });
    vm.update({ hooked: false });
    await testbed.adopt(await adoptable());
    await expect.poll(() => testbed.status().vms[0]?.state).toBe('running');
    expect(vm.requests.map(({ type }) => type)).not.toContain('hook');
  });

  it.each(['any free one', 'fixed'])(
    'takes another port when the old one, %s, is taken',
    async (kind) => {
      const other = createServer().listen(0, '127.0.0.1');
      servers.push(other);
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;
      await writtenDown(port, {}, kind === 'fixed' ? `{"console": {"port": ${port}}}` : '{}');
      const done = await testbed.adopt(await adoptable());
      const now = testbed.status().gateway?.port;
      expect(now).not.toBe(port);
      expect(done).toBe(
        `took over QEMU (pid ${qemu.pid}), whose daemon was gone; ` +
          `its consoles are at port ${now} now, port ${port} is taken`,
      );
      expect(await ask('status')).toContain('VM vm1: running');
    },
  );

  it("does without access to a system of the user's own whose key cannot be read any more", async () => {
    const ssh = { user: 'root', key: join(directory, 'gone') };
    const l2 = { disk: { path: '/d', format: 'raw' }, ready: { seconds: 0 }, ssh };
    await writtenDown(await freePort(), {}, JSON.stringify({ l2 }));
    await testbed.adopt(await adoptable());
    expect(testbed.status().management).toHaveProperty('l1');
    expect(testbed.status().management).not.toHaveProperty('l2');
  });

  it('leaves QEMU as it is when L1 does not answer', async () => {
    await writtenDown(await freePort());
    await l1.stop();
    await expect(testbed.adopt(await adoptable())).rejects.toMatchObject({
      code: 'E_LINK_CONNECT',
    });
    expect(testbed.state).toBe('stopped');
    expect(await identifyProcess(qemu.pid ?? 0)).toBeDefined();
  });

  it("is broken by a panic of our L2, and by none of a system of the user's own", async () => {
    const panic = '[   12.3] Kernel panic - not syncing: Fatal exception\n';
    const config = '{"l2": {"disk": {"path": "/d", "format": "raw"}, "ready": {"seconds": 0}}}';
    await writtenDown(await freePort(), {}, config);
    await testbed.adopt(await adoptable());
    l2Console?.write(panic);
    await expect.poll(async () => await readFile(paths.l2Log, 'utf8')).toContain('Fatal');
    expect((await testbed.freshStatus()).layers).toContainEqual({
      ...{ layer: 'L2', state: 'failing' },
      detail: expect.stringContaining('Kernel panic - not syncing: Fatal exception') as string,
    });
    expect(testbed.mustRun()).toBeDefined();
    await testbed.down();
    await playQemu();
    await writtenDown(await freePort());
    await testbed.adopt(await adoptable());
    l2Console?.write(panic);
    await expect.poll(() => testbed.state).toBe('broken');
    expect(testbed.status().reason).toBe('L2: Kernel panic - not syncing: Fatal exception');
  });

  it('notices the end of a QEMU that is not its child', async () => {
    await writtenDown(await freePort());
    await testbed.adopt(await adoptable());
    qemu.kill('SIGKILL');
    await expect.poll(() => testbed.state).toBe('broken');
    expect(testbed.status().reason).toContain('QEMU has ended');
    await expect.poll(() => existsSync(paths.resume)).toBe(false);
  });

  it('ends it like its own', async () => {
    await writtenDown(await freePort());
    await testbed.adopt(await adoptable());
    await testbed.down();
    expect(asked).toContain('quit');
    expect(await identifyProcess(qemu.pid ?? 0)).toBeUndefined();
    expect((await readProcesses(paths)).qemu).toBeUndefined();
    expect(existsSync(paths.resume)).toBe(false);
  });
});

describe('findAdoptable', () => {
  it('finds nothing while the daemon lives, after an unfinished boot, or in a damaged file', async () => {
    expect(await findAdoptable(paths, await findLeftovers(paths))).toBeUndefined();
    await writtenDown(1);
    expect((await adoptable()).resume.wanted).toEqual(['vm1']);
    const text = await readFile(paths.resume, 'utf8');
    expect(text).not.toContain('PRIVATE KEY');
    const { qemu: identity } = await readProcesses(paths);
    await writeProcesses(paths, {
      daemon: self,
      ...(identity === undefined ? {} : { qemu: identity }),
    });
    expect(await findAdoptable(paths, await findLeftovers(paths))).toBeUndefined();
  });

  it('finds nothing once what was left has been removed', async () => {
    await writtenDown(1);
    await removeLeftovers(paths, await findLeftovers(paths));
    expect(existsSync(paths.resume)).toBe(false);
    expect(await findAdoptable(paths, await findLeftovers(paths))).toBeUndefined();
  });
});
