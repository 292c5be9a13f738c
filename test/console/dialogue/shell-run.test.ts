import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { spawn as spawnPty, type IPty } from '@lydell/node-pty';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { connectGateway } from '../../../src/console/client/gateway-client.js';
import { scriptPeer } from '../../../src/console/dialogue/at-console.js';
import { Conversation } from '../../../src/console/dialogue/conversation.js';
import { runInShell, type ShellRunOptions } from '../../../src/console/dialogue/shell-run.js';
import { fingerprintOfLine } from '../../../src/formats/keys/key-files.js';
import { ConsoleRig } from '../../rig/console-rig.js';

/** A getty that any shell can be: it asks for a name and a password and starts a shell. */
const getty = `#!/bin/sh
while :; do
  printf 'vm1 login: '; read -r user || exit
  [ -n "$user" ] || continue
  stty -echo; printf 'Password: '; read -r password; stty echo; printf '\\n'
  if [ "$user:$password" = "root:se cret" ]; then
    PS1='# ' sh -i
    stty sane
  else
    printf 'Login incorrect\\n'
  fi
done
`;

let rig: ConsoleRig;
let directory: string;
let terminal: IPty;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-run-'));
  await writeFile(join(directory, 'getty'), getty);
  await chmod(join(directory, 'getty'), 0o755);
  rig = await ConsoleRig.start();
});

afterEach(async () => {
  terminal.kill('SIGKILL');
  await rig.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Joins the VM's serial port to a program on a real terminal. */
function boot(program: string, ...words: string[]): void {
  const env = { PATH: process.env['PATH'] ?? '', PS1: '$ ', ENV: '' };
  terminal = spawnPty(program, words, { cols: 80, rows: 24, env, cwd: directory });
  terminal.onData((text) => rig.vm.print(text));
  rig.vm.onInput = (bytes) => terminal.write(bytes.toString('latin1'));
}

async function runCommand(
  command: string,
  options: Partial<ShellRunOptions> = {},
): Promise<{ status: number; output: string }> {
  const connection = await connectGateway({
    ...{ host: '127.0.0.1', port: rig.gateway.port, vm: 'vm1' },
    hostKeyFingerprint: fingerprintOfLine(ConsoleRig.hostKey.publicLine),
    privateKeyPem: ConsoleRig.clientKey.privatePem,
    attach: { as: 'write', replay: 'none', sanitize: false },
    signal: new AbortController().signal,
  });
  let output = '';
  try {
    const signal = AbortSignal.timeout(15_000);
    const talk = new Conversation(scriptPeer(connection), { stripAnsi: true, signal });
    const status = await runInShell(talk, {
      ...{ user: 'root', password: Buffer.from('se cret'), prompt: /[#$] $/, command },
      timeoutMs: 10_000,
      onOutput: (text) => (output += text),
      ...options,
    });
    return { status, output };
  } finally {
    connection.destroy();
  }
}

test('runInShell logs in, runs, returns output and status, and logs out', async () => {
  boot(join(directory, 'getty'));
  expect(await runCommand('echo out; echo err >&2; exit 3')).toEqual({
    status: 3,
    output: 'out\nerr\n',
  });
  // Logged out again: it has to log in anew.
  expect(await runCommand("printf 'no line end'")).toEqual({ status: 0, output: 'no line end' });
  await expect(runCommand('id', { password: undefined })).rejects.toMatchObject({
    code: 'E_CONSOLE_AUTH',
    message: 'the VM asks for the password of root',
  });
});

test('runInShell says that a password is wrong, and goes on after a login that was left half done', async () => {
  boot(join(directory, 'getty'));
  await expect(runCommand('id', { password: Buffer.from('wrong') })).rejects.toMatchObject({
    code: 'E_CONSOLE_AUTH',
    exitCode: 7,
  });
  terminal.write('someone\r');
  expect(await runCommand('echo fine')).toEqual({ status: 0, output: 'fine\n' });
});

const shells: readonly (readonly [string, readonly string[]])[] = [
  ['/bin/sh', ['-i']],
  ['/bin/bash', ['--norc', '--noprofile', '-i']],
  ['/bin/busybox', ['ash', '-i']],
];

test.each(shells.filter(([shell]) => existsSync(shell)))(
  'runInShell uses a %s that is there, and passes any command and output',
  async (shell, words) => {
    boot(shell, ...words);
    terminal.write('half a line that nobody ran');
    const long = 'x'.repeat(3000);
    const command = `printf '%s|' 'a "b" $c \\ \`d\`' "it's" ${long}; seq 1 20000; false`;
    const { status, output } = await runCommand(command);
    expect(status).toBe(1);
    const numbers = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join('');
    expect(output).toBe(`a "b" $c \\ \`d\`|it's|${long}|${numbers}`);
  },
);

test('runInShell gives up at the deadline and shows what came last', async () => {
  boot('/bin/sh', '-i');
  await expect(runCommand('echo begun; sleep 60', { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'E_EXPECT_TIMEOUT',
    exitCode: 124,
    details: { lastLines: expect.arrayContaining(['begun']) as unknown },
  });
});
