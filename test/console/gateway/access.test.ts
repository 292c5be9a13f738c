/** Whom the gateway lets in: the list of grants, and what a key may do by one. */
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { AccessList, type Grant } from '../../../src/console/gateway/access.js';
import { parseAuthorizedKeys } from '../../../src/console/gateway/auth.js';
import { fingerprintOfLine } from '../../../src/formats/keys/key-files.js';
import { collect, ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { uuid1, uuid2 } from '../../rig/hub-rig.js';

const { strangerKey } = ConsoleRig;
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
