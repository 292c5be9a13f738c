/** The compiled program whose output goes into a closed pipe, or onto a full disk. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { executable, runCli } from '../rig/run-cli.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-streams-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** Runs a line of bash with the program as `V`; its output and its exit code. */
async function bash(line: string): Promise<{ code: number | null; stderr: string }> {
  const env = {
    ...{ PATH: process.env['PATH'], HOME: directory, XDG_STATE_HOME: directory },
    ...{ XDG_CACHE_HOME: directory, XDG_RUNTIME_DIR: directory },
  };
  const script = `V() { "${process.execPath}" "${executable}" "$@"; }; ${line}`;
  const child = spawn('bash', ['-c', script], { cwd: directory, env });
  let stderr = '';
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  return await new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })));
}

test('a closed pipe makes no success of a failure', async () => {
  const { code } = await bash('V console who vm1 --json | exec true; exit ${PIPESTATUS[0]}');
  expect(code).toBe(2);
});

test('a closed stderr is no bug of the program, and changes no exit code', async () => {
  expect(await bash('V up --nonsense 2> >(exec true); exit $?')).toMatchObject({ code: 2 });
  expect(await bash('V status 2>&1 | exec true; exit ${PIPESTATUS[0]}')).toMatchObject({ code: 0 });
});

test('a full disk is told in a line, and is no success', async () => {
  const { code, stderr } = await bash('V status >/dev/full');
  expect(code).toBe(3);
  expect(stderr).toMatch(/cannot write to the standard output.*\[E_NO_SPACE\]/);
  expect(stderr).not.toMatch(/at .*\.js:/);
});

test('--json behind -- belongs to the command in the VM', async () => {
  const { code, stdout } = await runCli(directory, [
    'console',
    'run',
    'vm1',
    '--',
    'lsblk',
    '--json',
  ]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

test('--json as the text of --send is not ours', async () => {
  const words = ['console', 'vm1', '--send', '--json', '--expect', 'never'];
  const { code, stdout } = await runCli(directory, words);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});
