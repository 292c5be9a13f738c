import { execFile } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { refreshSshConfig } from '../../src/cli/actions/ssh-config.js';
import { sshConfigCommand } from '../../src/cli/commands/ssh-config.js';
import type { InstanceAccess } from '../../src/console/client/instance-access.js';
import { fingerprintOfLine, generateKey } from '../../src/formats/keys/key-files.js';

const run = promisify(execFile);
const hostKey = generateKey('host');
let home: string;
let port: number;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'vsb home-'));
  await mkdir(join(home, 'state'));
  port = 4022;
});

afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

function access(): InstanceAccess {
  const directory = join(home, 'state');
  return {
    ...{ name: 'lab', stateDir: directory, runtimeDir: directory, vms: ['vm1', 'vm2'] },
    gateway: {
      ...{ host: '127.0.0.1', port, clientKeyPath: join(home, 'client key') },
      hostKeyFingerprint: fingerprintOfLine(hostKey.publicLine),
      hostKeyLine: hostKey.publicLine,
    },
  };
}

async function sshConfig(...args: string[]): Promise<string> {
  let out = '';
  const command = sshConfigCommand({
    env: { HOME: home },
    stdin: new PassThrough(),
    stdout: new PassThrough().on('data', (part: Buffer) => (out += part.toString())),
    stderr: new PassThrough(),
    signal: new AbortController().signal,
    global: { name: 'lab', quiet: false, verbose: false },
    instance: () => Promise.resolve(access()),
    doing: () => undefined,
    exitWith: () => {},
  });
  await command.parseAsync(args, { from: 'user' });
  return out;
}

const config = () => join(home, '.ssh', 'config');

/** What ssh makes of the user's configuration for a host. */
async function resolved(host: string): Promise<string> {
  return (await run('ssh', ['-F', config(), '-G', host])).stdout;
}

test('--install makes the consoles known to ssh, and --uninstall leaves what was there before', async () => {
  await mkdir(join(home, '.ssh'), { mode: 0o700 });
  const before = Buffer.from('Host mine\n  User me\n# \xff no UTF-8\n  Port 77', 'latin1');
  await writeFile(config(), before);
  await chmod(config(), 0o640);
  expect(await sshConfig('--install')).toBe('vm1.lab.vsbypass\nvm2.lab.vsbypass\n');
  const once = await readFile(config());
  await sshConfig('--install');
  expect((await readFile(config())).equals(once)).toBe(true);
  expect((await stat(config())).mode & 0o777).toBe(0o640);
  expect(await readdir(join(home, '.ssh'))).toEqual(['config']);
  const vm1 = await resolved('vm1.lab.vsbypass');
  for (const line of [
    'user vm1',
    'port 4022',
    'stricthostkeychecking true',
    'hostkeyalias vsbypass-lab',
  ]) {
    expect(vm1).toContain(`${line}\n`);
  }
  const mine = await resolved('mine');
  expect(mine).toContain('user me\n');
  expect(mine).toContain('port 77\n');
  expect(await resolved('vm1')).toContain('hostname vm1\n');
  await sshConfig('--uninstall');
  expect((await readFile(config())).equals(before)).toBe(true);
  expect(await readdir(join(home, 'state'))).toEqual([]);
  await sshConfig('--uninstall');
  expect((await readFile(config())).equals(before)).toBe(true);
});

/** What users, and their administrators, have for all hosts. */
const forAll = [
  ...['ProxyJump bastion.invalid', 'RemoteCommand tmux attach', 'ControlMaster auto'],
  ...['ControlPath ~/%C', 'ControlPersist yes', 'PermitLocalCommand yes', 'LocalCommand echo in'],
  ...['ForwardAgent yes', 'ForwardX11 yes', 'RequestTTY no', 'Tunnel yes', 'EscapeChar none'],
  ...['LocalForward 8080 a:80', 'RemoteForward 8080 a:80', 'DynamicForward 1080'],
  ...['NoHostAuthenticationForLocalhost yes', 'VerifyHostKeyDNS yes', 'StrictHostKeyChecking no'],
  ...['UserKnownHostsFile /dev/null', 'HostKeyAlgorithms rsa-sha2-512', 'UpdateHostKeys yes'],
  ...['PubkeyAuthentication no', 'PreferredAuthentications password', 'AddKeysToAgent yes'],
  ...['AddressFamily inet6', 'CanonicalizeHostname always', 'CanonicalDomains example.invalid'],
  ...['Ciphers aes256-ctr', 'MACs hmac-sha2-256', 'KexAlgorithms ecdh-sha2-nistp256'],
  ...['Compression yes', 'VisualHostKey yes', 'LogLevel VERBOSE', 'Port 99', 'User somebody'],
];
/** What changes nothing of where a session goes, who hears it, or what is checked. */
const harmless = /^(?:controlpersist|localcommand|canonicaldomains) /;

test.each([
  ['Host *', (lines: string) => `Host *\n${lines}`],
  ['Match all', (lines: string) => `Match all\n${lines}`],
  ['Match final all', (lines: string) => `Match final all\n${lines}`],
  ['Match of the address', (lines: string) => `Match host 127.0.0.1\n${lines}`],
  ['lines before any Host', (lines: string) => lines],
])("the user's own settings say nothing about the consoles: %s", async (_, under) => {
  await mkdir(join(home, '.ssh'), { mode: 0o700 });
  const settings = async () =>
    (await resolved('vm1.lab.vsbypass')).split('\n').filter((line) => !harmless.test(line));
  await sshConfig('--install');
  const own = await settings();
  const text = under(forAll.map((line) => `  ${line}\n`).join(''));
  for (const before of [text, `\n# mine\nInclude "${join(home, 'all')}"\n`]) {
    await writeFile(join(home, 'all'), text);
    await writeFile(config(), before);
    await sshConfig('--install');
    expect(await settings()).toEqual(own);
  }
});

test('the file works where a user includes it: below a Match, and before other hosts', async () => {
  await mkdir(join(home, '.ssh'), { mode: 0o700 });
  const file = (await sshConfig()).trim();
  const text = `Match all\n  Include "${file}"\n  Port 99\nHost other\n  User me\n`;
  await writeFile(config(), text);
  expect(await resolved('vm1')).toMatch(/^user vm1\n[^]*^port 4022$/m);
  expect(await resolved('other')).toMatch(/^user me\n[^]*^port 99$/m);
});

test('--install makes the file for the owner only when there is none, and follows a link', async () => {
  await sshConfig('--install');
  expect((await stat(join(home, '.ssh'))).mode & 0o777).toBe(0o700);
  expect((await stat(config())).mode & 0o777).toBe(0o600);
  await rm(config());
  await writeFile(join(home, 'dotfile'), 'Host a\n');
  await symlink(join(home, 'dotfile'), config());
  await sshConfig('--install');
  expect((await lstat(config())).isSymbolicLink()).toBe(true);
  expect(await readFile(join(home, 'dotfile'), 'utf8')).toMatch(
    /^# vsbypass lab: begin[^]*Host a\n$/,
  );
});

test('a configuration that cannot be changed stays as it is, with an error', async () => {
  await mkdir(config(), { recursive: true });
  await expect(sshConfig('--install')).rejects.toMatchObject({ code: 'E_FILE' });
  await expect(sshConfig('--install', '--print')).rejects.toMatchObject({ code: 'E_USAGE' });
});

test('after a boot the installed files name the new port; what is not installed stays so', async () => {
  await refreshSshConfig(access());
  expect(await readdir(join(home, 'state'))).toEqual([]);
  await sshConfig('--install');
  port = 4099;
  await refreshSshConfig(access());
  expect(await resolved('vm2.lab.vsbypass')).toContain('port 4099\n');
});
