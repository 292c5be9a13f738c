/** Saved states: two instances begin with one at the same time, and have nothing in common that should be secret or unique. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { InstanceStatus } from '../../src/contract/status.js';
import { runRemote } from '../../src/host/ssh.js';
import { instancePaths } from '../../src/state/paths.js';
import { findRoots } from '../../src/state/roots.js';
import { accessToL2, managementTargets } from '../../src/state/management-targets.js';
import { CommandLine, type Status } from './command-line.js';
import { logIn, shell } from './guest-shell.js';

/** How often a state is saved and restored, one made of the other. */
const cycles = Number(process.env['STATE_CYCLES'] ?? 3);
/** What a clock may be off after a restore, seconds: each is set while the others still are. */
const clockSeconds = 5;
const upLimitMs = 600_000;
const makeLimitMs = 1_800_000;
const names = ['one', 'two'] as const;

interface Managed extends Status {
  readonly management: NonNullable<InstanceStatus['management']>;
}

/** What no two machines may have in common, each on a line of its own. */
const ofLayer = [
  'cat /proc/sys/kernel/random/boot_id',
  'head -c 32 /dev/urandom | base64',
  'base64 -w 0 /etc/dropbear/dropbear_ed25519_host_key; echo',
  'cat /etc/vsbypass/authorized_keys',
  '! [ -e /etc/machine-id ] || cat /etc/machine-id',
  // Of domains, user VMs and the processes that run them.
  '! command -v xl >/dev/null || xl list -v',
  "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -E '^[0-9a-f]{8}-[0-9a-f-]{27}$'",
  "cat /etc/vsbypass/vms/*/* 2>/dev/null | grep -aoE '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}'",
  'true',
].join('; ');

const ofUserVm = [
  'cat /proc/sys/kernel/random/boot_id',
  'cat /sys/class/dmi/id/product_uuid',
  'head -c 32 /dev/urandom | base64',
  'cat /etc/shadow',
].join('; ');

describe.each(['kvm', 'xen'] as const)('L2 = %s', (kind) => {
  let cli: CommandLine;
  beforeAll(async () => {
    cli = await CommandLine.create();
    await cli.must(['build', '--state', '--l2', kind], { timeoutMs: makeLimitMs });
  });
  afterAll(async () => {
    await cli.dispose();
  });

  const pathsOf = (name: string): ReturnType<typeof instancePaths> =>
    instancePaths(
      name,
      findRoots({ XDG_STATE_HOME: cli.directory, XDG_RUNTIME_DIR: cli.directory }),
    );
  const on = (name: string): CommandLine => cli.withEnvironment({ VSBYPASS_NAME: name });

  it('begins two new instances at once with one state, and each has its own of all', async () => {
    const ups = names.map(async (name) => {
      const run = await on(name).run(['-v', 'up', '--l2', kind, '--show-password'], {
        timeoutMs: upLimitMs,
      });
      expect(run.code, run.stderr).toBe(0);
      expect(run.stderr).toContain('renew: ready');
      expect(run.stderr).not.toContain('l1-dom0');
    });
    await Promise.all(ups);
    const [first = [], second = []] = await Promise.all(names.map(async (name) => await own(name)));
    expect(first.length).toBeGreaterThan(12);
    expect(first.length).toBe(second.length);
    expect(first.filter((value) => second.includes(value))).toEqual([]);
  });

  it('switches the interrupt path as after a cold boot', async () => {
    const [name] = names;
    await on(name).must(['irq', 'doorbell']);
    expect(await on(name).json(['irq', 'direct'])).toMatchObject({ mode: 'direct' });
  });

  it('gives a user VM the new password, too, when it is started again', async () => {
    const [name] = names;
    const { vms } = await on(name).json<Managed>(['status', '--show-password']);
    const [vm] = vms;
    if (vm?.password === undefined) throw new Error('the user VM has a password');
    await on(name).must(['vm', 'stop', vm.name], { timeoutMs: upLimitMs });
    await on(name).must(['vm', 'start', vm.name], { timeoutMs: upLimitMs });
    await logIn(on(name), vm.name, vm.password);
    expect(await shell(on(name), vm.name, 'hostname')).toContain(vm.name);
  });

  it('has another password after the next up, and the one before is refused', async () => {
    const [name] = names;
    const password = async (): Promise<string | undefined> =>
      (await on(name).json<Managed>(['status', '--show-password'])).vms[0]?.password;
    const before = await password();
    await on(name).must(['down']);
    const up = await on(name).run(['-v', 'up', '--l2', kind], { timeoutMs: upLimitMs });
    expect(up.stderr).toContain('renew: ready');
    expect(await password()).not.toBe(before);
    const old = cli.withEnvironment({ VSBYPASS_NAME: name, VM_PASSWORD: before ?? '' });
    const refused = ['console', 'run', 'vm1', '--password-env', 'VM_PASSWORD', '--', 'true'];
    expect((await old.run(refused, { timeoutMs: upLimitMs })).code).toBe(7);
    const run = ['console', 'run', 'vm1', '--', 'hostname'];
    expect(await on(name).must(run, { timeoutMs: upLimitMs })).toBe('vm1\n');
  });

  it(
    `goes on after ${cycles} cycles of saving and restoring: consoles, clocks, network, new keys`,
    async () => {
      const [name] = names;
      const there = on(name);
      const limit = { timeoutMs: upLimitMs };
      let before = await secretsOf(name);
      for (let cycle = 1; cycle <= cycles; cycle++) {
        await there.must(['snapshot', 'save', 'cycle'], limit);
        await there.must(['snapshot', 'restore', 'cycle'], limit);
        for (const words of [
          ['console', 'run', 'vm1', '--', 'date +%s'],
          ['l2', 'shell', '--', 'date +%s'],
          ['l1', 'shell', '--', 'date +%s'],
        ]) {
          const begun = Date.now() / 1000;
          const seconds = Number(await there.must(words, limit));
          const about = `${words.join(' ')} in cycle ${cycle}`;
          expect(seconds, about).toBeGreaterThan(begun - clockSeconds);
          expect(seconds, about).toBeLessThan(Date.now() / 1000 + clockSeconds);
        }
        expect(await there.json(['proof', 'vm1'])).toMatchObject({ operatorBytes: 0 });
        const now = await secretsOf(name);
        expect(now.filter((secret) => before.includes(secret))).toEqual([]);
        before = now;
      }
      await there.must(['snapshot', 'delete', 'cycle']);
    },
    (cycles + 1) * upLimitMs,
  );

  /** What a restore makes anew: the password of the user VM, and the host keys of the layers. */
  async function secretsOf(name: string): Promise<string[]> {
    const { vms, management } = await on(name).json<Managed>(['status', '--show-password']);
    const { l1, ...targets } = await managementTargets(pathsOf(name), management);
    return [vms[0]?.password, l1.hostKeyLine, accessToL2({ l1, ...targets }).hostKeyLine].map(
      String,
    );
  }

  /** All that is its own, from all layers and from its files. */
  async function own(name: string): Promise<string[]> {
    const status = await on(name).json<Managed & { vms: { uuid: string }[] }>([
      'status',
      '--show-password',
    ]);
    expect(status.state).toBe('running');
    const targets = await managementTargets(pathsOf(name), status.management);
    const [l1, l2] = await Promise.all(
      [targets.l1, accessToL2(targets)].map(async (target) => {
        const { stdout } = await runRemote(target, ofLayer, { timeoutMs: 120_000 });
        return stdout.toString();
      }),
    );
    const [vm] = status.vms;
    if (vm?.password === undefined) throw new Error('one user VM has a password');
    await logIn(on(name), vm.name, vm.password);
    const l3 = await shell(on(name), vm.name, ofUserVm);
    expect(l3).toContain(vm.uuid);
    expect(l2).toContain(vm.uuid);
    return [vm.password, vm.uuid, ...[l1, l2, l3].flatMap((text = '') => valuesIn(text))];
  }
});

/** Words that are long enough to be nobody else's: UUIDs, keys, hashes, random numbers. */
function valuesIn(text: string): string[] {
  return text.split(/[\s:]+/).filter((word) => word.length >= 32 && !/^[0-]+$/.test(word));
}
