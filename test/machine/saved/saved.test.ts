import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { parseConfig } from '../../../src/config/load.js';
import { QmpClient } from '../../../src/host/qmp.js';
import { planTestbed } from '../../../src/machine/plan.js';
import { bindingOf, differences } from '../../../src/machine/saved/binding.js';
import { loginSteps, renewalScript } from '../../../src/machine/saved/renew.js';
import { whyUnsound } from '../../../src/machine/saved/soundness.js';
import {
  deleteSnapshot,
  listSnapshots,
  pruneSnapshots,
  readSnapshot,
  snapshotPaths,
  writeSnapshot,
  type Snapshot,
} from '../../../src/machine/saved/store.js';
import { restoreState, saveState } from '../../../src/machine/saved/transfer.js';
import { createInstanceDirectories, findRoots, instancePaths } from '../../../src/state/paths.js';
import type { InstancePaths } from '../../../src/state/paths.js';
import { FakeQmp } from '../../rig/fake-qmp.js';

let directory: string;
let paths: InstancePaths;
const config = parseConfig('{}', 'f');
const images = { xen: '/x-1', l1: '/l-1', l2: '/d-1' };

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-snap-'));
  const roots = findRoots({ XDG_STATE_HOME: directory, XDG_RUNTIME_DIR: directory });
  paths = instancePaths('default', roots);
  await createInstanceDirectories(paths, roots);
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const binding = async (change: Partial<Parameters<typeof bindingOf>[0]> = {}) =>
  await bindingOf({
    plan: planTestbed(paths, config, 'tcg'),
    config,
    accel: 'tcg',
    images,
    ...change,
  });

const access = {
  management: { privatePem: 'p', publicLine: 'l' },
  l1Host: 'AAAA',
  l2Host: 'BBBB',
  passwords: { vm1: 'secret' },
};

async function save(name: string): Promise<Snapshot> {
  const createdAt = new Date(0).toISOString();
  const snapshot: Snapshot = {
    schemaVersion: 1,
    name,
    createdAt,
    binding: await binding(),
    config,
  };
  await writeSnapshot(paths, snapshot, access, async (file) => await writeFile(file, 'state'));
  return snapshot;
}

describe('whyUnsound', () => {
  it.each([
    ['{}', 'tcg', undefined],
    ['{}', 'kvm', 'nested guest'],
    ['{"console": {"mode": "baseline"}}', 'tcg', 'left to L2'],
    ['{"l2": {"kind": "xen"}}', 'tcg', 'L2 = xen'],
    ['{"irq": "net"}', 'tcg', 'the path net'],
    ['{"vms": [{"name": "a", "kernel": "/k"}]}', 'tcg', 'a brings a system'],
    ['{"vms": [{"name": "a", "disk": {"path": "/d", "format": "raw"}}]}', 'tcg', 'a has a disk'],
  ] as const)('%s with %s', (text, accel, why) => {
    const found = whyUnsound(parseConfig(text, 'f'), accel);
    if (why === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(why);
  });
});

describe('bindingOf', () => {
  it('changes with all that makes a state, and names what', async () => {
    const now = await binding();
    expect(differences(now, await binding())).toEqual([]);
    expect(differences(now, await binding({ images: { ...images, l1: '/l-2' } }))).toEqual([
      'images',
    ]);
    const larger = parseConfig('{"vms": [{"name": "vm1", "memoryMiB": 512}]}', 'f');
    const plan = planTestbed(paths, larger, 'tcg');
    const changed = differences(now, await binding({ plan, config: larger }));
    expect(changed).toEqual(expect.arrayContaining(['commandLine', 'layers', 'config']));
  });

  it('does not change with the patience of the user', async () => {
    expect(
      differences(await binding(), await binding({ config: { ...config, patience: 7 } })),
    ).toEqual([]);
  });
});

describe('writeSnapshot', () => {
  it('keeps all of it, for nobody else to read', async () => {
    const snapshot = await save('one');
    expect(await readSnapshot(paths, 'one')).toEqual({ snapshot, access });
    const { directory: folder } = snapshotPaths(paths, 'one');
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, 'access.json'))).mode & 0o777).toBe(0o600);
  });

  it('leaves the old one as it was when the new one fails, and no remains', async () => {
    const snapshot = await save('one');
    const fill = (): Promise<never> => Promise.reject(new Error('no space'));
    await expect(writeSnapshot(paths, { ...snapshot }, access, fill)).rejects.toThrow('no space');
    expect((await readSnapshot(paths, 'one'))?.snapshot).toEqual(snapshot);
    expect(await readdir(join(paths.stateDir, 'snapshots'))).toEqual(['one']);
  });

  it('refuses names that lead elsewhere', async () => {
    await expect(readSnapshot(paths, '../../keys')).rejects.toMatchObject({
      code: 'E_INSTANCE_NAME',
    });
  });
});

describe('pruneSnapshots', () => {
  it('removes the warm state and what is damaged; all only when told', async () => {
    for (const name of ['warm', 'mine', 'bad']) await save(name);
    await writeFile(snapshotPaths(paths, 'bad').document, '{');
    await expect(readSnapshot(paths, 'bad')).rejects.toMatchObject({ code: 'E_FILE' });
    const names = (entries: readonly { name: string }[]): string[] => entries.map((e) => e.name);
    expect(names(await pruneSnapshots(paths, false))).toEqual(['bad', 'warm']);
    expect(names(await listSnapshots(paths))).toEqual(['mine']);
    expect(names(await pruneSnapshots(paths, true))).toEqual(['mine']);
    expect(await deleteSnapshot(paths, 'mine')).toBe(false);
  });
});

describe('saveState and restoreState', () => {
  it('bring all bytes to a file and back', async () => {
    const memory = Buffer.concat([randomBytes(300_000), Buffer.alloc(3_000_000)]);
    const fake = await FakeQmp.start();
    const connecting = QmpClient.connect(fake.path);
    await fake.handshake();
    const qmp = await connecting;
    const file = join(directory, 'state.zst');
    const { stateSocket: socketPath } = paths;
    const signal = AbortSignal.timeout(10_000);

    const saving = saveState({ qmp, socketPath, file, signal });
    await fake.send({ return: {}, id: (await fake.command()).id });
    const migrate = await fake.command();
    expect(migrate.arguments).toEqual({ uri: `unix:${socketPath}` });
    createConnection(socketPath).end(memory);
    await fake.send({ return: {}, id: migrate.id });
    await fake.send({ return: { status: 'completed' }, id: (await fake.command()).id });
    await saving;
    expect((await stat(file)).size).toBeLessThan(400_000);
    expect(spawnSync('zstd', ['-dc', file], { maxBuffer: 1e8 }).stdout.equals(memory)).toBe(true);

    const received: Buffer[] = [];
    const server = createServer((socket) => socket.on('data', (chunk) => received.push(chunk)));
    server.listen(socketPath);
    await once(server, 'listening');
    const restoring = restoreState({ qmp, socketPath, file, signal });
    await fake.send({ return: { status: 'paused' }, id: (await fake.command()).id });
    await restoring;
    await expect.poll(() => Buffer.concat(received).equals(memory)).toBe(true);
    server.close();
    qmp.close();
    await fake.stop();
  });

  it('leave nothing that an abort could end the process by, when QEMU refuses', async () => {
    const refusal = new Error('migration is blocked');
    const qmp = {
      execute: (command: string) =>
        command === 'migrate' ? Promise.reject(refusal) : Promise.resolve({}),
    } as unknown as QmpClient;
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      const abort = new AbortController();
      const file = join(directory, 'state.zst');
      const options = { qmp, socketPath: paths.stateSocket, file, signal: abort.signal };
      await expect(saveState(options)).rejects.toBe(refusal);
      abort.abort();
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  it('refuse a file that is no state', async () => {
    const file = join(directory, 'state.zst');
    await writeFile(file, 'nonsense');
    const server = createServer().listen(paths.stateSocket);
    await once(server, 'listening');
    const qmp = {} as QmpClient;
    const options = { qmp, socketPath: paths.stateSocket, file, signal: AbortSignal.timeout(9000) };
    await expect(restoreState(options)).rejects.toMatchObject({ code: 'E_QMP' });
    server.close();
  });
});

describe('renewal', () => {
  it('sets clock, seed and keys by a script that a shell accepts', async () => {
    const keys = { hostKey: Buffer.from('host'), authorizedKey: 'ssh-ed25519 AAAA' };
    const script = renewalScript(keys, Buffer.from('seed'), 1_800_000_000);
    const file = join(directory, 'script');
    await writeFile(file, script);
    expect(spawnSync('sh', ['-n', file]).status).toBe(0);
    expect(await readFile(file, 'utf8')).toContain('date -s @1800000000');
  });

  it('believes nothing of a console before its canary has come back', () => {
    const steps = loginSteps('canary-1', 'old');
    expect(steps[0]).toMatchObject({ type: 'send', bytes: Buffer.from('canary-1') });
    expect(steps[1]).toMatchObject({ type: 'expect', pattern: /canary-1/ });
  });
});
