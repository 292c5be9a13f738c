import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { parseConfig } from '../../../src/config/load.js';
import type { Config } from '../../../src/config/schema.js';
import { QmpClient } from '../../../src/host/qmp.js';
import { bindingOf, differences } from '../../../src/machine/saved/binding.js';
import { loginSteps, renewalScript, renewalSteps } from '../../../src/machine/saved/renew.js';
import { whyUnsound } from '../../../src/machine/saved/soundness.js';
import { readState, type NewState } from '../../../src/machine/saved/folder.js';
import {
  deleteSnapshot,
  listSnapshots,
  pruneSnapshots,
  snapshotFolder,
  writeSnapshot,
} from '../../../src/machine/saved/store.js';
import { restoreState, saveState } from '../../../src/machine/saved/transfer.js';
import { encode } from '../../../src/machine/saved/uuids.js';
import { instancePaths } from '../../../src/state/paths.js';
import { createInstanceDirectories } from '../../../src/state/private-folders.js';
import { findRoots } from '../../../src/state/roots.js';
import type { InstancePaths } from '../../../src/state/paths.js';
import { FakeQmp } from '../../rig/fake-qmp.js';
import { tcgCpuModel } from '../../../src/host/cpu-model.js';

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

const accel = { accel: 'tcg', vendor: 'amd', why: '', cpu: tcgCpuModel() } as const;
const binding = async (change: Partial<Parameters<typeof bindingOf>[0]> = {}) =>
  await bindingOf({ config, accel, images, ...change });

const access = {
  management: { privatePem: 'p', publicLine: 'l' },
  l1Host: 'AAAA',
  l2Host: 'BBBB',
  passwords: { vm1: 'secret' },
};

async function save(name: string): Promise<NewState> {
  const state: NewState = {
    snapshot: {
      schemaVersion: 1,
      name,
      createdAt: new Date(0).toISOString(),
      binding: await binding(),
      config,
      uuids: {},
    },
    access,
    fill: async (file) => {
      await writeFile(file, 'state');
      return [{ name: 'vm1', form: 'text', offset: 5 }];
    },
  };
  await writeSnapshot(paths, state);
  return state;
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
    const changed = differences(now, await binding({ config: larger }));
    expect(changed).toEqual(expect.arrayContaining(['commandLine', 'layers', 'config']));
  });

  it('does not change with the place of the cache', async () => {
    const elsewhere = { xen: '/c/x-1', l1: '/c/l-1', l2: '/c/d-1' };
    expect(differences(await binding(), await binding({ images: elsewhere }))).toEqual([]);
  });

  it.each<Partial<Config>>([
    { patience: 7 },
    // The decision counts.
    { accel: 'tcg' },
    { console: { ...config.console, port: 2222, authorizedKeys: ['ssh-ed25519 AAAA'] } },
    { vms: config.vms.map((vm) => ({ ...vm, authorizedKeys: ['ssh-ed25519 AAAA'] })) },
  ])('does not change with what is of no consequence to the machine: %j', async (change) => {
    const other = await binding({ config: { ...config, ...change } });
    expect(differences(await binding(), other)).toEqual([]);
  });

  it('is the same for the daemon, whose configuration was read from a message', async () => {
    const reversed = Object.fromEntries(Object.entries(config).reverse()) as Config;
    expect(differences(await binding(), await binding({ config: reversed }))).toEqual([]);
  });
});

describe('writeSnapshot', () => {
  it('keeps all of it, for nobody else to read', async () => {
    const { snapshot } = await save('one');
    const folder = snapshotFolder(paths, 'one');
    const places = [{ name: 'vm1', form: 'text', offset: 5 }];
    expect(await readState(folder)).toEqual({ folder, snapshot: { ...snapshot, places }, access });
    expect((await stat(folder.directory)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder.directory, 'access.json'))).mode & 0o777).toBe(0o600);
  });

  it('leaves the old one as it was when the new one fails, and no remains', async () => {
    const state = await save('one');
    const before = await readState(snapshotFolder(paths, 'one'));
    const fill = (): Promise<never> => Promise.reject(new Error('no space'));
    await expect(writeSnapshot(paths, { ...state, fill })).rejects.toThrow('no space');
    expect(await readState(snapshotFolder(paths, 'one'))).toEqual(before);
    expect(await readdir(join(paths.stateDir, 'snapshots'))).toEqual(['one']);
  });

  it('refuses names that lead elsewhere', () => {
    expect(() => snapshotFolder(paths, '../../keys')).toThrow(
      expect.objectContaining({ code: 'E_INSTANCE_NAME' }) as Error,
    );
  });
});

describe('pruneSnapshots', () => {
  it('removes the warm state and what is damaged; all only when told', async () => {
    for (const name of ['warm', 'mine', 'bad']) await save(name);
    const bad = snapshotFolder(paths, 'bad');
    await writeFile(bad.document, '{');
    await expect(readState(bad)).rejects.toMatchObject({ code: 'E_FILE' });
    const names = (entries: readonly { name: string }[]): string[] => entries.map((e) => e.name);
    expect(names(await pruneSnapshots(paths, false))).toEqual(['bad', 'warm']);
    expect(names(await listSnapshots(paths))).toEqual(['mine']);
    expect(names(await pruneSnapshots(paths, true))).toEqual(['mine']);
    expect(await deleteSnapshot(paths, 'mine')).toBe(false);
  });
});

describe('saveState and restoreState', () => {
  it('bring all bytes to a file and back, with other UUIDs where that is wanted', async () => {
    // A UUID at the end of one read and the beginning of the next is found, too.
    const own = '11111111-2222-8333-8444-aabbccddeeff';
    const other = '55555555-6666-8777-8888-001122334455';
    const memoryWith = (uuid: string): Buffer =>
      Buffer.concat([
        noise,
        encode(uuid, 'smbios'),
        Buffer.alloc(3_000_000),
        ...Array.from({ length: 4 }, () => [Buffer.alloc(4098, 'x '), encode(uuid, 'text')]).flat(),
        encode(uuid, 'rfc'),
      ]);
    const noise = randomBytes(300_000);
    const memory = memoryWith(own);
    const fake = await FakeQmp.start();
    const connecting = QmpClient.connect(fake.path);
    await fake.handshake();
    const qmp = await connecting;
    const file = join(directory, 'state.zst');
    const { stateSocket: socketPath } = paths;
    const signal = AbortSignal.timeout(10_000);

    const saving = saveState({ qmp, socketPath, file, signal, uuids: { vm1: own } });
    await fake.send({ return: {}, id: (await fake.command()).id });
    const migrate = await fake.command();
    expect(migrate.arguments).toEqual({ uri: `unix:${socketPath}` });
    createConnection(socketPath).end(memory);
    await fake.send({ return: {}, id: migrate.id });
    await fake.send({ return: { status: 'completed' }, id: (await fake.command()).id });
    const places = await saving;
    expect(places.map(({ form }) => form)).toEqual([
      'smbios',
      ...Array<string>(4).fill('text'),
      'rfc',
    ]);
    expect((await stat(file)).size).toBeLessThan(400_000);
    expect(spawnSync('zstd', ['-dc', file], { maxBuffer: 1e8 }).stdout.equals(memory)).toBe(true);

    for (const uuid of [own, other]) {
      const received: Buffer[] = [];
      const server = createServer((socket) => socket.on('data', (chunk) => received.push(chunk)));
      server.listen(socketPath);
      await once(server, 'listening');
      const exchange = { places, uuids: { vm1: uuid } };
      const restoring = restoreState({ qmp, socketPath, file, signal, exchange });
      await fake.send({ return: { status: 'paused' }, id: (await fake.command()).id });
      await restoring;
      await expect.poll(() => Buffer.concat(received).equals(memoryWith(uuid))).toBe(true);
      server.close();
      await once(server, 'close');
    }
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
  const seed = Buffer.from('the seed');

  /** Runs what a layer's shell would, with this folder as its root; and what it sets the clock to and stirs in. */
  async function inLayer(script: string): Promise<string> {
    const programs = join(directory, 'programs');
    for (const folder of ['programs', 'etc/dropbear', 'etc/vsbypass', 'root/.ssh'])
      await mkdir(join(directory, folder), { recursive: true });
    const say = (what: string): string => `#!/bin/sh\necho "${what}" >>${directory}/calls\n`;
    await writeFile(join(programs, 'date'), say('date $*'), { mode: 0o700 });
    await writeFile(join(programs, 'reseed'), say('reseed $(cat)'), { mode: 0o700 });
    const moved = script
      .replaceAll('/usr/lib/vsbypass/reseed', `${programs}/reseed`)
      .replaceAll(/(?<=[<>])\/(?=etc|root)/g, `${directory}/`)
      .replace('kill ', 'echo listener ');
    const { status, stdout, stderr } = spawnSync('sh', ['-c', "cat | sh -c '. /proc/self/fd/0'"], {
      input: moved,
      env: { PATH: `${programs}:${process.env['PATH'] ?? ''}` },
    });
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
    return stdout.toString();
  }

  it("sets clock, seed and keys of a managed layer, and names the parent of the shell's", async () => {
    const hostKey = Buffer.from([0, 1, 0x27, 0x5c, 0x25, 0x0a, 0xff]);
    const keys = { hostKey, authorizedKey: 'ssh-ed25519 AAAA' };
    const output = await inLayer(renewalScript(keys, seed, 1_800_000_000));
    expect(output).toBe(`listener ${process.pid}\nrenewed\n`);
    const content = async (path: string): Promise<Buffer> => await readFile(join(directory, path));
    expect(await content('etc/dropbear/dropbear_ed25519_host_key')).toEqual(hostKey);
    for (const path of ['etc/vsbypass/authorized_keys', 'root/.ssh/authorized_keys'])
      expect((await content(path)).toString()).toBe('ssh-ed25519 AAAA\n');
    expect((await content('calls')).toString()).toBe(
      `date -s @1800000000\nreseed ${seed.toString('hex')}\n`,
    );
  });

  it('changes the password of root in a user VM, and of nobody else', async () => {
    await mkdir(join(directory, 'etc'), { recursive: true });
    const shadow = (hash: string): string =>
      `root:${hash}:19700::::::\nme:$6$x$/y.:1:0:99999:7:::\n`;
    await writeFile(join(directory, 'etc/shadow'), shadow('$6$rounds=1000$old$1/.'));
    const passwordHash = '$6$rounds=1000$new$2/.';
    const steps = renewalSteps({ passwordHash, seed, seconds: 1_800_000_000 }, 1000);
    const typed = steps[0]?.type === 'send' ? steps[0].bytes.toString() : '';
    expect(await inLayer(typed.replaceAll('\r', '\n'))).toBe('renewed-42\n');
    expect(await readFile(join(directory, 'etc/shadow'), 'utf8')).toBe(shadow(passwordHash));
    expect(await readFile(join(directory, 'calls'), 'utf8')).toBe(
      `date -s @1800000000\nreseed ${seed.toString('hex')}\n`,
    );
  });

  it('believes nothing of a console before its canary has come back', () => {
    const steps = loginSteps('canary-1', 'old', 1000);
    expect(steps[0]).toMatchObject({ type: 'send', bytes: Buffer.from('canary-1') });
    expect(steps[1]).toMatchObject({ type: 'expect', pattern: /canary-1/ });
  });
});
