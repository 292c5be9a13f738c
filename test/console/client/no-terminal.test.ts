/** The compiled program and stock OpenSSH without a terminal: in a script, in a pipe, under nohup, in cron. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { runSchema, whoSchema } from '../../../src/contract/documents/console.js';
import { CliInstance } from '../../rig/cli-instance.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { executable } from '../../rig/run-cli.js';
import { runOnSerialPort } from '../../rig/shell-rig.js';

let rig: ConsoleRig;
let instance: CliInstance;
const children: ChildProcess[] = [];

beforeEach(async () => {
  rig = await ConsoleRig.start();
  instance = await CliInstance.start(rig);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await instance.stop();
  await rig.stop();
});

interface Watcher {
  readonly child: ChildProcess;
  readonly shown: () => string;
}

/** Its input is at its end, as with `ssh -n` and `</dev/null`. */
function watch(program: string, words: readonly string[]): Watcher {
  const { env, directory: cwd } = instance;
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], env, cwd });
  children.push(child);
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
  return { child, shown: () => text };
}

async function isThere(): Promise<void> {
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
}

async function shows({ shown }: Watcher, text: string): Promise<void> {
  await eventually(() => expect(shown()).toContain(text));
}

test.skipIf(!existsSync('/usr/bin/ssh'))(
  '`ssh -n VM watch > file` goes on',
  async () => {
    const { stdout: config } = await instance.run(['ssh-config']);
    const watcher = watch('/usr/bin/ssh', ['-n', '-T', '-F', config.trim(), 'vm1', 'watch']);
    await isThere();
    for (const text of ['first', 'second']) {
      await rig.print(text);
      await shows(watcher, text);
    }
    expect(watcher.child.exitCode).toBeNull();
  },
  60_000,
);

test('`nohup console --watch --record FILE` goes on when the terminal hangs up, and ends by SIGTERM', async () => {
  const words = ['console', 'vm1', '--watch', '--replay', 'none', '--record', 'vm1.cast'];
  const watcher = watch(process.execPath, [executable, ...words]);
  await isThere();
  await rig.print('first');
  await shows(watcher, 'first');
  watcher.child.kill('SIGHUP');
  await rig.print('second');
  await shows(watcher, 'second');
  watcher.child.kill('SIGTERM');
  expect(await once(watcher.child, 'exit')).toEqual([143, null]);
  const recording = await readFile(join(instance.directory, 'vm1.cast'), 'utf8');
  expect(recording).toMatch(/"o","first"/);
  expect(recording).toMatch(/"o","second"/);
}, 60_000);

test('a script that only watches ends when its steps are done', async () => {
  await rig.print('login: ');
  const words = ['console', 'vm1', '--watch', '--expect', 'login: ', '--timeout', '15'];
  expect(await instance.run(words)).toMatchObject({ code: 0, stdout: 'login: ' });
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(0));
}, 60_000);

test('without --watch it needs a terminal or a script, and says what else there is', async () => {
  expect(await instance.run(['console', 'vm1'])).toMatchObject({
    ...{ code: 2, stderr: expect.stringContaining('--watch needs neither') as string },
  });
}, 60_000);

describe('vsbypass console without a terminal', () => {
  test('who and break answer, and what is refused ends with its exit code', async () => {
    expect(await instance.run(['console', 'who', 'vm1'])).toEqual({
      ...{ code: 0, stderr: '', stdout: 'nobody is at the console of vm1\n' },
    });
    const json = await instance.run(['console', 'who', 'vm1', '--json']);
    expect(whoSchema.parse(JSON.parse(json.stdout))).toMatchObject({ vm: 'vm1', sessions: [] });
    expect(await instance.run(['console', 'break', 'vm1', '--sysrq', 't'])).toMatchObject({
      ...{ code: 0, stdout: "BREAK and 't' sent\n" },
    });
    expect(String(await rig.vm.inputReached(1))).toBe('t');
    await rig.shell(await rig.login());
    await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
    expect(await instance.run(['console', 'break', 'vm1'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/alice \S+ types .* \[E_CONSOLE_REFUSED\]/) as string,
    });
    expect(await instance.run(['console', 'vm1', '--send', 'x'])).toMatchObject({ code: 2 });
    expect(await instance.run(['console', 'vm1', '--watch', '--take'])).toMatchObject({ code: 2 });
  });

  test('run gives the output and the exit code, and the document that tells them apart', async () => {
    const env = { ...instance.env, PS1: '$ ' };
    const shell = runOnSerialPort(rig.vm, ['/bin/sh', '-i'], env, instance.directory);
    try {
      const run = (...words: string[]) => instance.run(['console', 'run', 'vm1', ...words]);
      expect(await run('--', 'echo "a  b"; exit 3')).toEqual({
        ...{ code: 3, stdout: 'a  b\n', stderr: '' },
      });
      expect(await run('--', 'printf', '%s|', 'a  b', '$HOME')).toMatchObject({
        ...{ code: 0, stdout: 'a  b|$HOME|' },
      });
      const { code, stdout } = await run('--json', '--', 'echo out; exit 7');
      expect(code).toBe(0);
      expect(runSchema.parse(JSON.parse(stdout))).toEqual({
        ...{ schemaVersion: 1, vm: 'vm1', exitCode: 7, output: 'out\n' },
      });
      expect(await run('--timeout', '1', '--', 'sleep 30')).toMatchObject({
        code: 124,
        stderr: expect.stringContaining('E_EXPECT_TIMEOUT') as string,
      });
      expect(await run('--password-env', 'NONE', '--', 'id')).toMatchObject({ code: 2 });
    } finally {
      shell.kill('SIGKILL');
    }
  });

  test('a key with a passphrase is for the agent, and says so', async () => {
    await writeFile(join(instance.directory, 'not a key'), 'x');
    expect(await instance.run(['console', 'who', 'vm1', '--identity', 'not a key'])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('E_CONSOLE_KEY') as string,
    });
  });
});
