import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { renderManPage } from '../../src/cli/man.js';
import { bareProgram } from '../rig/bare-program.js';

const run = promisify(execFile);
let directory: string;
let page: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-man-'));
  page = join(directory, 'vsbypass.1');
  await writeFile(page, renderManPage(bareProgram()));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('mandoc', () => {
  beforeEach((context) => context.skip(!existsSync('/usr/bin/mandoc'), 'mandoc is not installed'));

  test('has nothing to complain about', async () => {
    expect(await run('mandoc', ['-T', 'lint', page])).toEqual({ stdout: '', stderr: '' });
  });

  test('shows every command and every option of the program', async () => {
    const { stdout } = await run('mandoc', ['-T', 'ascii', '-O', 'width=200', page]);
    // Bold is overstruck.
    // eslint-disable-next-line no-control-regex
    const shown = stdout.split(/.\u0008/).join('');
    const program = bareProgram();
    const visit = (command: typeof program, path: string): void => {
      for (const option of command.createHelp().visibleOptions(command)) {
        expect(shown).toContain(option.flags);
      }
      for (const child of command.createHelp().visibleCommands(command)) {
        if (child.name() === 'help') continue;
        expect(shown).toMatch(new RegExp(`^ +${path}${child.name()}\\b`, 'm'));
        visit(child as typeof program, `${path}${child.name()} `);
      }
    };
    visit(program, '');
    expect(shown).toContain(String.raw`--send 'root\r'`);
    expect(shown).toContain('~. leaves it');
  });
});

describe('man', () => {
  beforeEach((context) => context.skip(!existsSync('/usr/bin/man'), 'man is not installed'));

  test('has nothing to complain about', async () => {
    const env = { ...process.env, LC_ALL: 'C.UTF-8', MANWIDTH: '80' };
    const { stderr } = await run('man', ['--warnings', '-l', '-Tutf8', '-Z', page], { env });
    expect(stderr).toBe('');
  });
});
