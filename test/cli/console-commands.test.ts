import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { consoleCommand } from '../../src/cli/commands/console.js';
import { sshConfigCommand } from '../../src/cli/commands/ssh-config.js';
import type { CliContext } from '../../src/cli/context.js';
import type { GatewayAccess, InstanceAccess } from '../../src/console/client/instance-access.js';
import { startGateway, type Gateway } from '../../src/console/gateway/gateway.js';
import { ConsoleHub } from '../../src/console/hub/hub.js';
import { ensureKey, fingerprintOfLine, generateKey } from '../../src/formats/keys/key-files.js';
import { Link } from '../../src/link/index.js';
import { FakeL1 } from '../rig/fake-l1.js';
import type { FakeVm } from '../rig/fake-vm.js';
import { uuid1 } from '../rig/hub-rig.js';

let directory: string;
let l1: FakeL1;
let hub: ConsoleHub;
let link: Link;
let gateway: Gateway;
let vm: FakeVm;
let access: GatewayAccess;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-cli-'));
  l1 = await FakeL1.start();
  hub = new ConsoleHub({ nameOf: () => 'vm1' });
  link = await Link.connect(l1.socketPath, {
    signal: new AbortController().signal,
    timeoutMs: 5000,
  });
  hub.attachLink(link);
  const appeared = once(hub, 'vm-appeared');
  vm = l1.addVm({ uuid: uuid1 });
  await appeared;
  const host = generateKey('host');
  const clientKeyPath = join(directory, 'client');
  const { publicLine } = await ensureKey(clientKeyPath, 'client');
  gateway = await startGateway({
    hostKeyPem: host.privatePem,
    authorizedKeys: [publicLine],
    hub,
    listen: { host: '127.0.0.1', port: 0 },
  });
  access = {
    host: '127.0.0.1',
    port: gateway.port,
    hostKeyFingerprint: fingerprintOfLine(host.publicLine),
    hostKeyLine: host.publicLine,
    clientKeyPath,
  };
});

afterEach(async () => {
  hub.close();
  await gateway.close();
  link.close();
  await l1.stop();
  await rm(directory, { recursive: true, force: true });
});

class Terminal extends PassThrough {
  isTTY = false;
}

interface Change {
  readonly gateway?: GatewayAccess | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** What the instance is from the second look on. */
  readonly later?: Partial<InstanceAccess>;
}

function contextOf(change: Change = {}) {
  const out = { stdout: '', stderr: '', code: undefined as number | undefined };
  const stdin = new Terminal();
  const stdout = new PassThrough().on('data', (part: Buffer) => (out.stdout += part.toString()));
  const stderr = new PassThrough().on('data', (part: Buffer) => (out.stderr += part.toString()));
  const found = 'gateway' in change ? change.gateway : access;
  const instance: InstanceAccess = {
    name: 'lab',
    stateDir: directory,
    runtimeDir: directory,
    vms: ['vm1', 'vm2'],
    ...(found === undefined ? {} : { gateway: found }),
  };
  let looks = 0;
  const context: CliContext = {
    env: change.env ?? {},
    stdin,
    stdout,
    stderr,
    signal: new AbortController().signal,
    global: { name: 'lab', quiet: false, verbose: false },
    instance: () => {
      looks++;
      return Promise.resolve({ ...instance, ...(looks > 1 ? change.later : {}) });
    },
    doing: () => undefined,
    exitWith: (code) => (out.code = code),
  };
  const run = (...args: string[]) => {
    const command = consoleCommand(context);
    for (const one of [command, ...command.commands]) {
      one.exitOverride().configureOutput({ writeErr: () => {} });
    }
    return command.parseAsync(args, { from: 'user' });
  };
  return { context, out, stdin, run };
}

test('console runs the steps of a script in the order of the command line', async () => {
  let typed = '';
  vm.onInput = (bytes) => {
    typed += bytes.toString();
    if (bytes.toString().endsWith('\r')) vm.print(`\r\n[${typed.length}] `);
  };
  vm.print('login: ');
  const secret = join(directory, 'secret');
  await writeFile(secret, 'from file\n');
  const { run, out } = contextOf({ env: { VM_PASSWORD: 'from env' } });
  await run(
    ...[
      'vm1',
      '--timeout',
      '5',
      '--expect',
      'login: $',
      '--send',
      'root\\r',
      '--expect',
      '^\\[5\\] ',
    ],
    ...[
      '--send-file',
      secret,
      '--send-env',
      'VM_PASSWORD',
      '--send',
      '\\r',
      '--expect',
      '^\\[23\\] ',
    ],
  );
  expect(out.code).toBe(0);
  expect(typed).toBe('root\rfrom filefrom env\r');
  expect(out.stdout).toBe('login: \r\n[5] \r\n[23] ');
});

test('console: what came of --send-env and --send-file is in no failure', async () => {
  const secret = join(directory, 'secret');
  await writeFile(secret, 'from file\n');
  vm.echo();
  const { run } = contextOf({ env: { VM_PASSWORD: 'from env' } });
  const failed = run(
    ...['vm1', '--send-env', 'VM_PASSWORD', '--send', ' ', '--send-file', secret],
    ...['--timeout', '0.3', '--expect', 'never'],
  );
  await expect(failed).rejects.toMatchObject({ details: { lastLines: ['******** ********'] } });
});

test('console: a script that begins by typing does not see what came before', async () => {
  vm.print('login: ');
  await vi.waitFor(() => expect(hub.vm('vm1')?.history.end).toBe(7));
  vm.onInput = () => vm.print('answer');
  const { run, out } = contextOf();
  await run('vm1', '--send', 'x', '--expect', '^answer');
  expect(out.stdout).toBe('answer');
});

test('console refuses what cannot work, before anything is sent', async () => {
  const { run } = contextOf();
  await expect(run('vm1')).rejects.toMatchObject({ code: 'E_USAGE', exitCode: 2 });
  await expect(run('vm1', '--timeout', '3')).rejects.toMatchObject({ code: 'E_USAGE' });
  await expect(run('vm1', '--send', 'x', '--expect', '(')).rejects.toMatchObject({
    code: 'E_USAGE',
  });
  await expect(run('vm1', '--send', '\\q')).rejects.toMatchObject({ code: 'E_USAGE' });
  await expect(run('vm1', '--send-env', 'NOPE')).rejects.toMatchObject({ code: 'E_USAGE' });
  await expect(run('vm1', '--send-file', join(directory, 'none'))).rejects.toMatchObject({
    code: 'E_FILE',
  });
  await expect(run('vm1', '--agent', '--send', 'x')).rejects.toMatchObject({ code: 'E_USAGE' });
  await expect(run('vm1', '--identity', '/none', '--send', 'x')).rejects.toMatchObject({
    code: 'E_CONSOLE_KEY',
  });
  await expect(run('vm1', '--escape', 'ab')).rejects.toMatchObject({
    code: 'commander.invalidArgument',
  });
  await expect(run('vm1', '--timeout', '-1')).rejects.toMatchObject({
    code: 'commander.invalidArgument',
  });
  await expect(contextOf({ gateway: undefined }).run('vm1')).rejects.toMatchObject({
    code: 'E_INSTANCE_NOT_RUNNING',
  });
  expect(vm.input.length).toBe(0);
});

test('console on a terminal passes the escape character on when told that there is none', async () => {
  const { run, out, stdin } = contextOf();
  stdin.isTTY = true;
  const done = run('vm1', '--escape', 'none');
  stdin.write('~.');
  expect(String(await vm.inputReached(2))).toBe('~.');
  stdin.end();
  await done;
  expect(out.code).toBe(0);
});

test('console lets go of the VM when it cannot record', async () => {
  const path = join(directory, 'there.cast');
  await writeFile(path, 'x');
  const { run, stdin } = contextOf();
  stdin.isTTY = true;
  await expect(run('vm1', '--record', path)).rejects.toMatchObject({ code: 'E_FILE' });
  await vi.waitFor(() => expect(gateway.sessions()).toEqual([]));
  expect(await readFile(path, 'utf8')).toBe('x');
});

test('console that began as the secure one never becomes one that L2 reads', async () => {
  const nobody = { host: '127.0.0.1', port: 1, privateKey: '', hostKeyLine: '' };
  const management = { l1: { ...nobody, layer: 'L1' }, l2: { ...nobody, layer: 'L2' } } as const;
  for (const words of [['--reconnect'], ['--send', 'secret']]) {
    const { run, stdin } = contextOf({ later: { unhooked: ['vm1'], management } });
    stdin.isTTY = true;
    await expect(run('vm1', ...words)).rejects.toMatchObject({ code: 'E_CONSOLE_REFUSED' });
  }
});

test('ssh-config writes its files for the owner only and prints the path, or the text', async () => {
  const { context, out } = contextOf();
  await sshConfigCommand(context).parseAsync([], { from: 'user' });
  const path = join(directory, 'ssh_config');
  await vi.waitFor(() => expect(out.stdout).toBe(`${path}\n`));
  const text = await readFile(path, 'utf8');
  expect(text).toContain(`  Port ${gateway.port}\n`);
  expect(text.match(/^Host .*$/gm)).toEqual(['Host vm1', 'Host vm2']);
  expect(await readFile(join(directory, 'known_hosts'), 'utf8')).toMatch(
    /^vsbypass-lab ssh-ed25519 \S+\n$/,
  );
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const printing = contextOf();
  await sshConfigCommand(printing.context).parseAsync(['--print'], { from: 'user' });
  await vi.waitFor(() => expect(printing.out.stdout).toBe(text));
  const down = contextOf({ gateway: undefined });
  await expect(
    sshConfigCommand(down.context).parseAsync([], { from: 'user' }),
  ).rejects.toMatchObject({
    code: 'E_INSTANCE_NOT_RUNNING',
  });
});
