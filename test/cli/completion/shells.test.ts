/** The scripts in the real shells, each with a terminal where it needs one. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { spawn } from '@lydell/node-pty';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { AnsiStripper } from '../../../src/formats/ansi.js';
import { executable } from '../../rig/run-cli.js';

const run = promisify(execFile);
let directory: string;
let env: Record<string, string>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-shells-'));
  const bin = join(directory, 'bin');
  await mkdir(bin);
  await symlink(executable, join(bin, 'vsbypass'));
  env = {
    HOME: directory,
    PATH: `${bin}:${process.env['PATH'] ?? ''}`,
    TERM: 'xterm',
    XDG_STATE_HOME: join(directory, 'state'),
  };
  const instance = join(directory, 'state', 'vsbypass', 'instances', 'default');
  await mkdir(instance, { recursive: true });
  const record = {
    ...{ schemaVersion: 1, name: 'default', createdAt: '' },
    accel: { accel: 'tcg', why: '' },
    config: { vms: [{ name: 'alpha' }, { name: 'beta' }] },
  };
  await writeFile(join(instance, 'instance.json'), JSON.stringify(record), { mode: 0o600 });
  await writeFile(join(directory, 'vm.json'), '{}');
}, 60_000);

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** Types lines at a shell, each up to its tabulator, and waits for what it makes of them. */
async function atTerminal(shell: string, args: string[], setup: string[], typed: string[]) {
  const terminal = spawn(shell, args, { cwd: directory, env, cols: 200, rows: 30 });
  const stripper = new AnsiStripper();
  let seen = '';
  let changed: () => void = () => {};
  terminal.onData((part) => {
    seen += stripper.push(part);
    changed();
  });
  const appears = async (text: string): Promise<void> => {
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`no '${text}' in ${JSON.stringify(seen)}`)),
        15_000,
      );
      changed = () => {
        if (!seen.includes(text)) return;
        clearTimeout(late);
        resolve();
      };
      changed();
    });
  };
  try {
    for (const line of setup) terminal.write(`${line}\r`);
    terminal.write("PS1='re''ady> '\r");
    await appears('ready> ');
    for (let index = 0; index < typed.length; index += 2) {
      terminal.write(`${typed[index]}\t`);
      await appears(typed[index + 1] ?? '');
      // The line editor's own "away with the line".
      terminal.write('\x15');
    }
  } finally {
    terminal.kill();
  }
}

/** What is typed before the tabulator, and what the line then reads. */
const lines = [
  ...['vsbypass veri', 'vsbypass verify '],
  ...['vsbypass proof al', 'vsbypass proof alpha '],
  ...['vsbypass up --accel t', 'vsbypass up --accel tcg '],
  ...['vsbypass logs vm:b', 'vsbypass logs vm:beta '],
  ...['vsbypass up --config vm.', 'vsbypass up --config vm.json '],
];

test('bash completes', async () => {
  const source = 'source <(vsbypass completion bash)';
  await atTerminal('/bin/bash', ['--norc', '--noprofile'], [source], lines);
});

describe.skipIf(!existsSync('/usr/bin/zsh'))('zsh', () => {
  test('completes', async () => {
    const setup = ['autoload -U compinit; compinit -D', 'source <(vsbypass completion zsh)'];
    await atTerminal('/usr/bin/zsh', ['-f'], setup, lines);
  });
});

describe.skipIf(!existsSync('/usr/bin/fish'))('fish', () => {
  test('completes, with descriptions', async () => {
    const ask = async (line: string): Promise<string> => {
      const program = `vsbypass completion fish | source; complete -C '${line}'`;
      const options = { cwd: directory, env };
      return (await run('/usr/bin/fish', ['--no-config', '-c', program], options)).stdout;
    };
    expect(await ask('vsbypass veri')).toMatch(/^verify\t\w/);
    expect(await ask('vsbypass proof ')).toBe('alpha\nbeta\n');
    expect(await ask('vsbypass up --accel=t')).toBe('--accel=tcg\n');
    expect(await ask('vsbypass logs vm:b')).toBe('vm:beta\n');
    expect(await ask('vsbypass up --config vm.')).toMatch(/^vm\.json/);
  });
});
