import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { table } from '../../src/cli/output.js';
import { selectLines } from '../../src/cli/actions/logs.js';
import { runCli, type Finished } from '../rig/run-cli.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-cli-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const run = async (...words: string[]): Promise<Finished> => await runCli(directory, words);

describe('vsbypass', () => {
  it('prints help and version and ends with 0', async () => {
    expect(await run('--help')).toMatchObject({ code: 0, stderr: '' });
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('says what to do next when no command is given', async () => {
    const finished = await run();
    expect(finished).toMatchObject({ code: 2, stdout: '' });
    expect(finished.stderr).toMatch(/^Instance 'default' is absent/);
    expect(finished.stderr).toMatch(/vsbypass up .*\n.*vsbypass --help\n$/);
    expect(finished.stderr.split('\n').length).toBeLessThan(8);
  });

  it.each([
    ['up'],
    ['down'],
    ['status'],
    ['console'],
    ['ssh-config'],
    ['proof'],
    ['vm'],
    ['logs'],
    ['snapshot'],
    ['prune'],
    ['doctor'],
    ['build'],
  ])('shows an example in the help of %s', async (command) => {
    expect((await run(command, '--help')).stdout).toMatch(/\$ .*vsbypass/);
  });

  it.each([
    [['nonsense'], 2, 'unknown command'],
    [['up', '--accel', 'xen'], 2, 'Allowed choices'],
    [['up', '--vms', 'x'], 2, 'A number from 1 on'],
    [['--name', 'A B', 'status'], 2, 'E_INSTANCE_NAME'],
    [['up', '--config', 'missing.json'], 2, 'E_CONFIG'],
    [['console', 'vm1'], 2, 'E_INSTANCE_UNKNOWN'],
    [['logs', 'l2'], 2, 'E_INSTANCE_UNKNOWN'],
    [['daemon'], 2, 'E_USAGE'],
  ] as const)('%j ends with %d and says why', async (words, code, message) => {
    const finished = await run(...words);
    expect(finished.code).toBe(code);
    expect(finished.stderr).toContain(message);
  });

  it('reports a failure as a document with --json', async () => {
    await writeFile(join(directory, 'vsbypass.json'), '{"vms": [{"name": "Ü"}]}');
    const { code, stdout } = await run('up', '--json');
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      schemaVersion: 1,
      error: { code: 'E_CONFIG', message: expect.stringContaining('vms[0].name') as string },
    });
  });

  it('prints the whole plan with --dry-run and creates nothing', async () => {
    const { code, stdout } = await run('up', '--dry-run', '--accel', 'tcg', '--vms', '2');
    expect(code).toBe(0);
    for (const part of ['qemu-system-x86_64', 'vsb_link=0x2f8,3', 'nestedhvm = 1', '-name vm2']) {
      expect(stdout).toContain(part);
    }
    expect((await run('status', '--all', '--json')).stdout).toBe(
      `${JSON.stringify({ schemaVersion: 1, instances: [] }, undefined, 2)}\n`,
    );
  });

  it('takes down what is not up, twice', async () => {
    for (let turn = 0; turn < 2; turn++) {
      expect(await run('down')).toMatchObject({
        code: 0,
        stderr: "instance 'default' was not up\n",
      });
    }
  });

  it('knows the state of an instance that never was', async () => {
    const { code, stdout } = await run('status', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ schemaVersion: 1, state: 'absent', vms: [] });
  });
});

describe('table', () => {
  it('aligns columns', () => {
    expect(
      table([
        ['a', 'bbb', 'c'],
        ['aaa', 'b', ''],
      ]),
    ).toEqual(['a    bbb  c', 'aaa  b']);
  });
});

describe('selectLines', () => {
  const lines = [
    { time: 100, text: 'a1' },
    { time: 200, text: 'b' },
    { time: undefined, text: 'a2' },
    { time: 300, text: 'a3' },
  ];
  const isA = (text: string): boolean => text.startsWith('a');
  const texts = (count: number | undefined, since: number | undefined): string[] =>
    selectLines(lines, isA, count, since).map(({ text }) => text);

  it('counts the lines that match', () => {
    expect(texts(2, undefined)).toEqual(['a2', 'a3']);
    expect(texts(undefined, undefined)).toEqual(['a1', 'a2', 'a3']);
    expect(texts(0, undefined)).toEqual([]);
  });

  it('takes all since a moment; a line without a time is as old as the one before it', () => {
    expect(texts(undefined, 200)).toEqual(['a2', 'a3']);
    expect(texts(1, 200)).toEqual(['a3']);
    expect(texts(undefined, 301)).toEqual([]);
  });
});
