/** The compiled program and stock OpenSSH that look on without a terminal: in a pipe, under nohup, in cron. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { CliInstance } from '../../rig/cli-instance.js';
import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { executable } from '../../rig/run-cli.js';

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
