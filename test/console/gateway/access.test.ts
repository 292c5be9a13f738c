import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { connectGateway } from '../../../src/console/client/gateway-client.js';
import { AccessList, type Grant } from '../../../src/console/gateway/access.js';
import { parseAuthorizedKeys } from '../../../src/console/gateway/auth.js';
import { RateLimit } from '../../../src/console/gateway/rate-limit.js';
import { fingerprintOfLine, knownHostsLine } from '../../../src/formats/keys/key-files.js';
import { collect, ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { uuid1, uuid2 } from '../../rig/hub-rig.js';

const run = promisify(execFile);
const { clientKey, hostKey, strangerKey } = ConsoleRig;
const bob = { privateKey: strangerKey.privatePem };

function grantFor(change: Partial<Grant> = {}, line = `${strangerKey.publicLine} bob`): Grant {
  const [key] = parseAuthorizedKeys([line], ssh2.utils.parseKey).keys;
  if (key === undefined) throw new Error('it is a key');
  const grant = { id: 'g-1', key, vm: 'vm1', role: 'write', once: false } as const;
  return { ...grant, expires: undefined, source: 'command', ...change };
}

describe('AccessList', () => {
  const { fingerprint } = grantFor().key;

  test('finds the best grant of a key for a VM', () => {
    const list = new AccessList();
    list.add(grantFor({ id: 'watch', role: 'watch' }));
    list.add(grantFor({ id: 'once', once: true }));
    list.add(grantFor({ id: 'other', vm: 'vm2' }));
    expect(list.find(fingerprint, 'vm1')?.id).toBe('once');
    list.add(grantFor({ id: 'all', vm: undefined, source: 'configuration' }));
    expect(list.find(fingerprint, 'vm1')?.id).toBe('all');
    expect(list.find(fingerprint, 'vm3')?.id).toBe('all');
    expect(list.find('SHA256:other', 'vm1')).toBeUndefined();
  });

  test('forgets what has ended and what was used up', () => {
    let now = 1000;
    const list = new AccessList(() => now);
    list.add(grantFor({ id: 'short', expires: 2000 }));
    const once = grantFor({ id: 'once', once: true, role: 'watch' });
    list.add(once);
    expect(list.find(fingerprint, 'vm1')?.id).toBe('short');
    now = 2000;
    expect(list.find(fingerprint, 'vm1')?.id).toBe('once');
    list.use(once);
    expect(list.find(fingerprint, 'vm1')).toBeUndefined();
    expect(list.list()).toEqual([]);
  });

  test('revokes what was given by command only: by VM, id or key, used-up ones too', () => {
    const list = new AccessList();
    const revoked: string[] = [];
    list.on('revoked', ({ id }) => revoked.push(id));
    list.add(grantFor({ id: 'config', source: 'configuration' }));
    list.add(grantFor({ id: 'a' }));
    list.add(grantFor({ id: 'b', vm: 'vm2' }));
    const once = grantFor({ id: 'c', once: true });
    list.add(once);
    list.use(once);
    expect(list.revoke({ vm: 'vm1', which: 'a' }).map(({ id }) => id)).toEqual(['a']);
    expect(list.revoke({ vm: 'vm1', which: fingerprint })).toEqual([once]);
    expect(list.revoke({ vm: 'vm2' })).toHaveLength(1);
    expect(revoked).toEqual(['a', 'c', 'b']);
    expect(list.list().map(({ id }) => id)).toEqual(['config']);
  });
});

test('RateLimit allows a burst and then so many a second, for each peer', () => {
  let now = 0;
  const limit = new RateLimit(3, 2, () => now);
  const take = (peer: string, times: number) =>
    Array.from({ length: times }, () => limit.take(peer)).filter(Boolean).length;
  expect(take('a', 5)).toBe(3);
  expect(take('b', 1)).toBe(1);
  now = 1000;
  expect(take('a', 5)).toBe(2);
  now = 100_000;
  expect(take('a', 5)).toBe(3);
});

describe('the gateway', () => {
  let rig: ConsoleRig;
  let access: AccessList;

  beforeEach(async () => {
    access = new AccessList();
    rig = await ConsoleRig.start({ access });
  });

  afterEach(async () => {
    await rig.stop();
  });

  test('lets a key in as long as it is granted, for its VM only', async () => {
    await expect(rig.login(bob)).rejects.toMatchObject({ level: 'client-authentication' });
    access.add(grantFor());
    const channel = await rig.shell(await rig.login(bob));
    channel.write('typed');
    await rig.vm.inputReached(5);
    await expect(rig.login({ ...bob, username: 'vm2' })).rejects.toMatchObject({
      level: 'client-authentication',
    });
  });

  test('knows a VM by its UUID and its slot, too, and its rights by its name', async () => {
    access.add(grantFor());
    for (const username of [uuid1, uuid1.slice(0, 8), 'slot-0-1']) {
      const { status, output } = await rig.ask('status json', { ...bob, username });
      expect([status, JSON.parse(output)], username).toMatchObject([0, { vm: 'vm1' }]);
    }
    expect(rig.events.filter(({ type }) => type === 'verb')).toHaveLength(3);
    for (const event of rig.events) if (event.type === 'verb') expect(event.vm).toBe('vm1');
    await expect(rig.login({ ...bob, username: 'slot-1-1' })).rejects.toThrow();
  });

  test('lets nobody in by the name of two, and those with rights at one by its slot', async () => {
    access.add(grantFor());
    rig.l1.addVm({ slot: 1, uuid: uuid1 });
    await eventually(() => expect(rig.hub.vm('slot-1-1')).toBeDefined());
    for (const username of ['vm1', uuid1]) {
      const { status, notices } = await rig.ask('status', { ...bob, username });
      expect(status).toBe(2);
      expect(notices).toContain('[E_VM_AMBIGUOUS]');
      expect(notices).toContain('slot-0-1, slot-1-1');
    }
    expect(await rig.ask('status', { ...bob, username: 'slot-0-1' })).toMatchObject({ status: 0 });
    await expect(rig.login({ ...bob, username: 'slot-1-1' })).rejects.toThrow();
  });

  test('lets a VM with a doubtful UUID have no part in rights', async () => {
    access.add(grantFor({ vm: 'vm2' }));
    rig.l1.addVm({ slot: 1, uuid: uuid2, doubtful: true });
    await eventually(() => expect(rig.hub.vm('slot-1-1')).toBeDefined());
    await expect(rig.login({ ...bob, username: 'slot-1-1' })).rejects.toThrow();
    const { notices } = await rig.ask('status', { ...bob, username: 'vm2' });
    expect(notices).toContain("no VM is known as 'vm2'");
  });

  test('lets a key that may watch see, but not type, break or take over', async () => {
    access.add(grantFor({ role: 'watch' }));
    const client = await rig.login(bob);
    const channel = await rig.shell(client);
    const seen = collect(channel);
    channel.write('no');
    await eventually(() => expect(seen.notices).toContain('this session only watches'));
    channel.signal('USR1');
    await eventually(() => expect(seen.notices.match(/only watches/g)).toHaveLength(2));
    rig.vm.print('seen');
    await eventually(() => expect(seen.text).toBe('seen'));
    for (const verb of ['take', 'attach write', 'break t', 'size']) {
      const { status, notices } = await rig.ask(verb, bob);
      expect(status, verb).toBe(verb === 'size' ? 2 : 7);
      if (verb !== 'size') expect(notices).toContain("may only watch 'vm1' [E_CONSOLE_AUTH]");
    }
    expect((await rig.ask('who', bob)).output).toContain('watches  bob');
    expect(rig.vm.input.length).toBe(0);
    expect(rig.vm.requests.map(({ type }) => type)).not.toContain('break');
  });

  test('uses a grant for one session up, and ends its session when it is revoked', async () => {
    access.add(grantFor({ once: true }));
    const first = await rig.login(bob);
    const second = await rig.login(bob);
    const ended = rig.ending(await rig.shell(first));
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
    expect(await rig.ending(await rig.shell(second))).toMatchObject({
      status: 7,
      notices: "vsbypass: this key may no longer use 'vm1' [E_CONSOLE_AUTH]\r\n",
    });
    await expect(rig.login(bob)).rejects.toMatchObject({ level: 'client-authentication' });
    access.revoke({ vm: 'vm1' });
    expect((await ended).notices).toContain('the right to be here was revoked');
    expect(rig.gateway.sessions()).toEqual([]);
  });

  test('lets nobody in by a grant whose time is over, but a session goes on', async () => {
    access.add(grantFor({ expires: Date.now() + 60_000 }));
    const client = await rig.login(bob);
    const channel = await rig.shell(client);
    vi.useFakeTimers({ now: Date.now() + 61_000, toFake: ['Date'] });
    try {
      await expect(rig.login(bob)).rejects.toThrow();
      rig.vm.print('still');
      const seen = collect(channel);
      await eventually(() => expect(seen.text).toBe('still'));
      expect(await rig.ending(await rig.shell(client))).toMatchObject({ status: 7 });
    } finally {
      vi.useRealTimers();
    }
  });

  test('drops connections that come too fast, and says so in the log', async () => {
    await rig.startGateway({ limits: { connectionBurst: 2, connectionsPerSecond: 0.001 } });
    await rig.login();
    await rig.login();
    await expect(rig.login()).rejects.toThrow();
    expect(rig.events).toContainEqual(
      expect.objectContaining({ type: 'connection-dropped', reason: 'too many connections' }),
    );
  });

  test('logs who did what, by name and fingerprint', async () => {
    access.add(grantFor());
    const channel = await rig.shell(await rig.login(bob));
    channel.signal('USR1');
    await rig.vm.requested('break');
    channel.end();
    await rig.ending(channel);
    await rig.ask('who', bob);
    const who = { vm: 'vm1', key: 'bob', fingerprint: fingerprintOfLine(strangerKey.publicLine) };
    for (const type of ['auth-accepted', 'session-opened', 'break', 'session-closed', 'verb']) {
      expect(rig.events).toContainEqual(expect.objectContaining({ type, ...who }));
    }
  });
});

const programs = ['/usr/bin/ssh', '/usr/bin/ssh-keygen', '/usr/bin/ssh-agent'];

describe.skipIf(!programs.every((program) => existsSync(program)))('with OpenSSH', () => {
  let rig: ConsoleRig;
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vsb-ca-'));
    for (const name of ['ca', 'user', 'otherca']) await keygen('-t', 'ed25519', '-f', file(name));
    const authority = fingerprintOfLine(await readFile(file('ca.pub'), 'utf8'));
    rig = await ConsoleRig.start({ authorities: [authority] });
    await writeFile(file('known'), knownHostsLine('test', hostKey.publicLine));
  });

  afterEach(async () => {
    await rig.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const file = (name: string): string => join(directory, name);

  async function keygen(...words: string[]): Promise<void> {
    await run('/usr/bin/ssh-keygen', ['-q', ...(words[0] === '-t' ? ['-N', ''] : []), ...words]);
  }

  /** Signs the user's key; the certificate is where OpenSSH looks for it. */
  async function sign(ca: string, ...words: string[]): Promise<void> {
    await keygen('-s', file(ca), '-I', 'carol@example', '-z', '7', ...words, file('user.pub'));
  }

  function sshWords(...words: string[]): string[] {
    const options = [
      `UserKnownHostsFile=${file('known')}`,
      'HostKeyAlias=vsbypass-test',
      'StrictHostKeyChecking=yes',
      'IdentitiesOnly=yes',
      `IdentityFile=${file('user')}`,
      'LogLevel=ERROR',
    ].flatMap((option) => ['-o', option]);
    return ['-F', 'none', ...options, '-p', String(rig.gateway.port), '-l', ...words];
  }

  async function ssh(user: string, verb: string): Promise<string> {
    const { stdout } = await run('/usr/bin/ssh', sshWords(user, '127.0.0.1', verb));
    return stdout;
  }

  const denied = { stderr: expect.stringContaining('Permission denied') as string };

  test('a certificate of a trusted authority opens the VMs that are its principals', async () => {
    await expect(ssh('vm1', 'who')).rejects.toMatchObject(denied);
    await sign('ca', '-n', 'vm1', '-V', '-1m:+5m');
    expect(await ssh('vm1', 'break t')).toBe("BREAK and 't' sent\n");
    await rig.vm.requested('break');
    expect(rig.events).toContainEqual(
      expect.objectContaining({ type: 'break', key: 'carol@example (certificate 7)' }),
    );
    await expect(ssh('vm2', 'who')).rejects.toMatchObject(denied);
  });

  test('a principal can be one that looks on only', async () => {
    await sign('ca', '-n', 'watch:vm1,vm2');
    expect(await ssh('vm1', 'who')).toContain('nobody is at the console');
    await expect(ssh('vm1', 'break')).rejects.toMatchObject({ code: 7 });
  });

  test.each([
    ['of another authority', 'otherca', ['-n', 'vm1']],
    ['without principals', 'ca', []],
    ['that has ended', 'ca', ['-n', 'vm1', '-V', '-10m:-5m']],
    ['that is not valid yet', 'ca', ['-n', 'vm1', '-V', '+5m:+10m']],
    ['with a forced command', 'ca', ['-n', 'vm1', '-O', 'force-command=who']],
    ['bound to addresses', 'ca', ['-n', 'vm1', '-O', 'source-address=127.0.0.0/8']],
    ['for hosts', 'ca', ['-h', '-n', 'vm1']],
  ] as const)('a certificate %s opens nothing', async (_, ca, words) => {
    await sign(ca, ...words);
    await expect(ssh('vm1', 'who')).rejects.toMatchObject(denied);
  });

  test('a certificate that was changed, or is used with another key, opens nothing', async () => {
    await sign('ca', '-n', 'vm2');
    const [type = '', base64 = ''] = (await readFile(file('user-cert.pub'), 'utf8')).split(' ');
    const blob = Buffer.from(base64, 'base64');
    blob.write('vm1', blob.indexOf('vm2'));
    await writeFile(file('user-cert.pub'), `${type} ${blob.toString('base64')}\n`);
    await expect(ssh('vm1', 'who')).rejects.toMatchObject(denied);
    await sign('ca', '-n', 'vm1');
    await writeFile(file('user'), strangerKey.privatePem);
    await expect(ssh('vm1', 'who')).rejects.toMatchObject(denied);
  });

  test('keys of an SSH agent work, with our client and with OpenSSH', async () => {
    const agent = spawn('/usr/bin/ssh-agent', ['-D', '-a', file('agent')], { stdio: 'ignore' });
    try {
      await eventually(() => expect(existsSync(file('agent'))).toBe(true));
      await writeFile(file('alice'), clientKey.privatePem, { mode: 0o600 });
      const env = { ...process.env, SSH_AUTH_SOCK: file('agent') };
      await run('/usr/bin/ssh-add', ['-q', file('alice')], { env });
      const connection = await connectGateway({
        ...{ host: '127.0.0.1', port: rig.gateway.port, vm: 'vm1', agent: file('agent') },
        hostKeyFingerprint: fingerprintOfLine(hostKey.publicLine),
        attach: { as: 'auto', replay: 'none', sanitize: false },
        signal: new AbortController().signal,
      });
      expect(String(await connection.ask('who'))).toMatch(/^types {4}alice/);
      connection.destroy();
      const words = sshWords('vm1', '-o', 'IdentitiesOnly=no', '127.0.0.1', 'status');
      words.splice(words.indexOf('IdentitiesOnly=yes') - 1, 2);
      expect((await run('/usr/bin/ssh', words, { env })).stdout).toContain('VM vm1: running');
    } finally {
      agent.kill();
    }
  });
});
