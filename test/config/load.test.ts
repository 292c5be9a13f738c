import { link, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { loadConfig, parseConfig } from '../../src/config/load.js';
import { forwardOf } from '../../src/config/l2-schema.js';
import { generateKey } from '../../src/formats/keys/key-files.js';

const uuid = '1111aaaa-2222-4333-8444-555555555555';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-config-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('parseConfig', () => {
  it('fills an empty file with defaults and one user VM', () => {
    expect(parseConfig('{}', 'f')).toEqual({
      cpu: 'auto',
      l0: { cpus: 1 },
      l1: { dom0MemoryMiB: 640 },
      l2: { kind: 'kvm' },
      accel: 'auto',
      irq: 'direct',
      console: {
        ...{ mode: 'shadow', historyBytes: 1_048_576, port: 0, idleSeconds: 0 },
        ...{ authorizedKeys: [], watchKeys: [], certificateAuthorities: [] },
      },
      patience: 1,
      consoles: [],
      vms: [
        {
          ...{ name: 'vm1', memoryMiB: 256, vcpus: 1, autostart: true },
          ...{ authorizedKeys: [], watchKeys: [] },
        },
      ],
    });
  });

  it('knows names of other VMs by their UUIDs, in either case of the digits', () => {
    const text = `{"consoles": [{"uuid": "${uuid.toUpperCase()}", "name": "db"}]}`;
    expect(parseConfig(text, 'f').consoles).toEqual([{ uuid, name: 'db' }]);
  });

  it('makes as many default user VMs as --vms asks for', () => {
    expect(parseConfig('{}', 'f', 3).vms.map((vm) => vm.name)).toEqual(['vm1', 'vm2', 'vm3']);
  });

  it.each([
    ['{', /is not JSON/],
    ['[]', /expected object/],
    ['{"acel": "tcg"}', /acel/],
    ['{"accel": "xen"}', /accel: .*"auto"/],
    ['{"console": {"mode": "open"}}', /console\.mode: .*"baseline"/],
    ['{"vms": []}', /vms: /],
    ['{"vms": [{"name": "a"}, {"name": "a"}]}', /vms\[1\]\.name: "a" names two user VMs/],
    ['{"vms": [{"name": "../x"}]}', /vms\[0\]\.name: must be/],
    ['{"vms": [{"name": "a", "memoryMiB": 1}]}', /vms\[0\]\.memoryMiB: /],
    ['{"vms": [{"name": "a", "initrd": "i"}]}', /vms\[0\]\.initrd: is of no use/],
    ['{"vms": [{"name": "a", "append": "a\\nb"}]}', /vms\[0\]\.append: must not contain/],
    ['{"l2": {"kind": "hyperv"}}', /l2\.kind: /],
    ['{"vms": [{"name": "slot-0-1"}]}', /vms\[0\]\.name: "slot-0-1" is a name that is made/],
    ['{"vms": [{"name": "vm-deadbeef"}]}', /vms\[0\]\.name: "vm-deadbeef" is a name/],
    ['{"consoles": [{"uuid": "1111", "name": "a"}]}', /consoles\[0\]\.uuid: must be a UUID/],
    [`{"consoles": [{"uuid": "${uuid}", "name": "vm A"}]}`, /consoles\[0\]\.name: must be/],
    [
      `{"vms": [{"name": "a"}], "consoles": [{"uuid": "${uuid}", "name": "a"}]}`,
      /consoles\[0\]\.name: "a" names two/,
    ],
    [
      `{"consoles": [{"uuid": "${uuid}", "name": "a"}, {"uuid": "${uuid.toUpperCase()}", "name": "b"}]}`,
      /consoles\[1\]\.uuid: 1111aaaa-.* has two names/,
    ],
    ['{"irq": "apic"}', /irq: /],
  ])('refuses %s and names the key', (text, message) => {
    expect(() => parseConfig(text, '/etc/f.json')).toThrow(
      expect.objectContaining({
        code: 'E_CONFIG',
        exitCode: 2,
        message: expect.stringMatching(message) as string,
      }),
    );
  });

  it.each([0, 17, 1.5, Number.NaN])('refuses --vms %s', (count) => {
    expect(() => parseConfig('{}', 'f', count)).toThrow(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });

  it('refuses --vms beside listed user VMs', () => {
    expect(() => parseConfig('{"vms": [{"name": "a"}]}', 'f', 2)).toThrow(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });
});

describe('loadConfig', () => {
  it('uses defaults when there is no vsbypass.json and none was asked for', async () => {
    expect((await loadConfig({ directory })).vms).toHaveLength(1);
  });

  it('refuses a --config that is not there', async () => {
    await expect(loadConfig({ directory, path: 'no.json' })).rejects.toMatchObject({
      code: 'E_CONFIG',
      message: expect.stringContaining('no.json') as string,
    });
  });

  it('lets --console win over the file', async () => {
    await writeFile(join(directory, 'vsbypass.json'), '{"console": {"port": 7}}');
    const { console } = await loadConfig({ directory, consoleMode: 'baseline' });
    expect(console).toMatchObject({ mode: 'baseline', port: 7 });
  });

  it('lets --accel win over the file', async () => {
    await writeFile(join(directory, 'vsbypass.json'), '{"accel": "kvm"}');
    expect((await loadConfig({ directory, accel: 'tcg' })).accel).toBe('tcg');
  });

  it('makes file names absolute, counted from the configuration file', async () => {
    await writeFile(join(directory, 'disk.img'), 'x');
    await writeFile(
      join(directory, 'c.json'),
      '{"vms": [{"name": "a", "disk": {"path": "disk.img", "format": "raw"}}]}',
    );
    const config = await loadConfig({ directory: '/', path: join(directory, 'c.json') });
    expect(config.vms[0]?.disk).toEqual({
      path: join(directory, 'disk.img'),
      format: 'raw',
      readOnly: false,
    });
  });

  const load = async (config: unknown, more = {}): ReturnType<typeof loadConfig> => {
    await writeFile(join(directory, 'vsbypass.json'), JSON.stringify(config));
    return await loadConfig({ directory, ...more });
  };

  it.each([
    [{ l2: { kind: 'xen', memoryMiB: 512 }, vms: [{ name: 'a', memoryMiB: 512 }] }, {}, 1024],
    [{ l2: { memoryMiB: 512 }, vms: [{ name: 'a', memoryMiB: 65_536 }] }, {}, 66_400],
    [{ l2: { memoryMiB: 1120 } }, { vmCount: 2 }, 1472],
  ])('refuses an L2 that has no room for its user VMs: %j', async (config, more, neededMiB) => {
    await expect(load(config, more)).rejects.toMatchObject({
      code: 'E_CONFIG',
      message: expect.stringContaining(`need ${neededMiB} MiB`) as string,
      hint: expect.stringContaining('l2.memoryMiB') as string,
    });
    const { l2, ...rest } = config;
    const enough = { ...rest, l2: { ...l2, memoryMiB: neededMiB } };
    expect((await load(enough, more)).l2.memoryMiB).toBe(neededMiB);
  });

  it('refuses a disk that two VMs have, by whatever names, unless nobody writes to it', async () => {
    await writeFile(join(directory, 'disk'), 'x');
    await symlink('disk', join(directory, 'alias'));
    await link(join(directory, 'disk'), join(directory, 'second'));
    const vm = (name: string, path: string, readOnly = false): unknown => ({
      ...{ name, disk: { path, format: 'raw', readOnly } },
    });
    for (const path of ['disk', 'alias', 'second']) {
      await expect(load({ vms: [vm('a', 'disk', true), vm('b', path)] })).rejects.toMatchObject({
        code: 'E_CONFIG',
        message: expect.stringMatching(
          /vms\[1\]\.disk\.path: .* of vms\[0\]\.disk\.path, too/,
        ) as string,
      });
    }
    const shared = [vm('a', 'disk', true), vm('b', 'alias', true)];
    expect((await load({ vms: shared })).vms).toHaveLength(2);
    const disk = { path: 'disk', format: 'raw' };
    expect((await load({ l2: { disk: [disk, disk] } })).l2.disk).toHaveLength(2);
    const kept = { l2: { disk: [disk, { ...disk, keepChanges: true }] } };
    await expect(load(kept)).rejects.toThrow(/l2\.disk\[1\]\.path: /);
  });

  it('names the key of a missing file', async () => {
    await writeFile(
      join(directory, 'vsbypass.json'),
      '{"vms": [{"name": "a", "kernel": "vmlinuz"}]}',
    );
    await expect(loadConfig({ directory })).rejects.toThrow(/vms\[0\]\.kernel: there is no file/);
  });
});

describe("a system of the user's own", () => {
  const disk = { path: 'disk.qcow2', format: 'qcow2' };
  const encrypted = { passphrase: 'secret', cipher: 'aes256-ctr', rounds: 16 };
  const parse = (config: unknown, vms?: number): ReturnType<typeof parseConfig> =>
    parseConfig(JSON.stringify(config), 'f', vms);

  it('has one disk or several, which stay as they are unless that is asked for', () => {
    const one = { ...disk, readOnly: false, keepChanges: false };
    expect(parse({ l2: { disk } })).toMatchObject({ vms: [], l2: { disk: [one] } });
    expect(parse({ l2: { disk: [disk, disk] } }).l2.disk).toEqual([one, one]);
  });

  it('has ports of this host at several addresses', () => {
    const forward = ['127.0.0.2:8:1', '127.0.0.3:8:1', '9:1'];
    expect(parse({ l2: { disk, forward }, console: { port: 8 } }).l2.forward).toEqual(forward);
  });

  it('reads again what it has read', () => {
    const config = parse({ l2: { disk, ready: { pattern: 'login:' } } });
    expect(parse(config)).toEqual(config);
  });

  it.each<[unknown, RegExp]>([
    [{ l2: { disk }, vms: [{ name: 'a' }] }, /vms: a system of l2.disk has its own VMs/],
    [{ vms: [] }, /vms: is empty/],
    [{ l2: { disk: { ...disk, readOnly: true, keepChanges: true } } }, /exclude each other/],
    [{ l2: { screen: true } }, /l2.screen: is of no use without l2.disk/],
    [{ l2: { ssh: { key: 'k' } } }, /l2.ssh: is of no use without l2.disk/],
    [{ l2: { disk, forward: ['8006'] } }, /l2.forward\[0\]: must be \[ADDRESS:\]PORT:PORT/],
    [{ l2: { disk, forward: ['1:70000'] } }, /l2.forward\[0\]: has a number that is too large/],
    [{ l2: { disk, forward: ['1:1', '2:2', '1:3'] } }, /l2.forward\[2\]: takes a port/],
    [{ l2: { disk, forward: ['127.0.0.2:1:1', '0.0.0.0:1:3'] } }, /l2.forward\[1\]: takes a port/],
    [{ l2: { disk, forward: ['8:1'] }, console: { port: 8 } }, /l2.forward\[0\]: takes a port/],
    [{ l2: { disk, mac: '01:00:00:00:00:00' } }, /l2.mac: must be a unicast address/],
    [{ l2: { disk, ready: { pattern: '(' } } }, /l2.ready.pattern: is no regular expression/],
    [{ l2: { disk, ready: 'soon' } }, /l2.ready/],
  ])('refuses %j', (config, message) => {
    expect(() => parse(config)).toThrow(message);
  });

  it('refuses --vms', () => {
    expect(() => parse({ l2: { disk } }, 2)).toThrow(/--vms/);
  });

  it('has files counted from the configuration file', async () => {
    await writeFile(join(directory, 'disk.qcow2'), 'x');
    await writeFile(join(directory, 'key'), generateKey('a test').privatePem);
    const path = join(directory, 'own.json');
    await writeFile(path, JSON.stringify({ l2: { disk, ssh: { key: 'key' } } }));
    const { l2 } = await loadConfig({ directory: '/', path });
    expect(l2.disk?.[0]?.path).toBe(join(directory, 'disk.qcow2'));
    expect(l2.ssh).toEqual({ user: 'root', port: 22, key: join(directory, 'key') });
  });

  it.each([
    ['a passphrase', ssh2.utils.generateKeyPairSync('ed25519', encrypted).private],
    ['only its public half', generateKey('a test').publicLine],
    ['nothing of a key', 'garbage'],
  ])('refuses a key with %s', async (_, content) => {
    await writeFile(join(directory, 'disk.qcow2'), 'x');
    await writeFile(join(directory, 'key'), content);
    const path = join(directory, 'own.json');
    await writeFile(path, JSON.stringify({ l2: { disk, ssh: { key: 'key' } } }));
    await expect(loadConfig({ directory, path })).rejects.toMatchObject({
      code: 'E_CONFIG',
      message: expect.stringContaining('l2.ssh.key: ') as string,
      hint: expect.stringContaining('without a passphrase') as string,
    });
  });

  const hostKey = generateKey('a test').publicLine;
  const ssh = (line: string): unknown => ({ l2: { disk, ssh: { key: 'k', hostKey: line } } });

  it.each([hostKey, `${hostKey} root@l2`, `[10.0.2.16]:22,l2 ${hostKey}`, `  ${hostKey}\n`])(
    'knows the host key in %j',
    (line) => {
      expect(parse(ssh(line)).l2.ssh?.hostKey).toBe(hostKey);
    },
  );

  it.each([
    ...['', hostKey.replace('ssh-ed25519 ', ''), hostKey.slice(0, -8), `a b ${hostKey}`],
    ...[hostKey.replace('ssh-ed25519', 'ssh-rsa'), 'ssh-dss AAAAB3NzaC1kc3MAAACBAP1'],
    'SHA256:uBCpYHPAcBhwXyDUlKtVnBrhpnUpfc1bL6gRvbSi5zs',
  ])('refuses %j for a host key', (line) => {
    expect(() => parse(ssh(line))).toThrow(/l2\.ssh\.hostKey: must be a public host key/);
  });

  it('refuses an interrupt server where nobody lets us in', async () => {
    await writeFile(join(directory, 'disk.qcow2'), 'x');
    const path = join(directory, 'own.json');
    await writeFile(path, JSON.stringify({ l2: { disk, vcpus: 2 } }));
    await expect(loadConfig({ directory, path, irqMode: 'net' })).rejects.toMatchObject({
      code: 'E_L2_ACCESS',
    });
  });
});

describe('forwardOf', () => {
  it('is on this host alone unless an address is given', () => {
    expect(forwardOf('8006:80')).toEqual({ address: '127.0.0.1', port: 8006, l2Port: 80 });
    expect(forwardOf('0.0.0.0:1:65535')).toEqual({ address: '0.0.0.0', port: 1, l2Port: 65_535 });
  });

  it.each(['0:1', '1:0', '65536:1', '1.2.3.256:1:1'])('refuses %s', (text) => {
    expect(forwardOf(text)).toBeUndefined();
  });
});
