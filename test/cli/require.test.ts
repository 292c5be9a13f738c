import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { orSkip } from '../../src/cli/or-skip.js';
import { writeFakeQemu } from '../rig/fake-qemu.js';
import { runCli, type Finished } from '../rig/run-cli.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-require-'));
  // Whatever this host is: KVM may be there, but its guests have no SVM.
  await writeFakeQemu(join(directory, 'bin/qemu-system-x86_64'), [
    ...[{}, { enabled: true, present: true }],
    { model: { name: 'host', props: { svm: false, vmx: false } } },
  ]);
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const run = async (words: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Finished> =>
  await runCli(directory, words, {
    PATH: `${join(directory, 'bin')}:${process.env['PATH']}`,
    ...more,
  });

describe.each(['up', 'bench'])('%s --require kvm', (command) => {
  it('fails where KVM cannot be had, instead of falling back', async () => {
    const { code, stdout, stderr } = await run([command, '--require', 'kvm']);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(/KVM was asked for and cannot be used here.*\[E_ACCEL\]/);
  });

  it('is skipped with --or-skip, with the reason', async () => {
    const { code, stdout, stderr } = await run([
      command,
      '--require',
      'kvm',
      '--or-skip',
      '--json',
    ]);
    expect(code).toBe(77);
    expect(stderr).toMatch(/skipped: .*KVM was asked for/);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'E_SKIPPED', exitCode: 77, layer: 'host', details: { code: 'E_ACCEL' } },
    });
  });
});

describe('up --require', () => {
  it('contradicts another accelerator of the command line', async () => {
    const { code, stderr } = await run(['up', '--require', 'kvm', '--accel', 'tcg', '--or-skip']);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--require kvm contradicts the accelerator tcg') as string,
    });
  });

  it('chooses where the configuration leaves the choice', async () => {
    const { stdout } = await run(['up', '--require', 'tcg', '--dry-run', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ accel: { accel: 'tcg' } });
  });
});

describe('orSkip', () => {
  it.each(['E_PACKAGE_MISSING', 'E_NO_MEMORY', 'E_NO_SPACE', 'E_QEMU_TOO_OLD'] as const)(
    'skips for %s, only when asked to',
    (code) => {
      const error = new VsbError(code, 'no such thing');
      expect(orSkip(error, true)).toMatchObject({
        code: 'E_SKIPPED',
        message: 'skipped: no such thing',
      });
      expect(orSkip(error, false)).toBe(error);
    },
  );

  it.each([
    new VsbError('E_BUILD', 'does not compile'),
    new VsbError('E_LAYER_FAILED', 'L2 panicked'),
    new VsbError('E_DEADLINE', 'late'),
    new TypeError('a bug'),
  ])('hides no failure: %s', (error) => {
    expect(orSkip(error, true)).toBe(error);
  });
});

describe('on GitHub Actions', () => {
  const github = { GITHUB_ACTIONS: 'true' };
  /** The lines that its runner takes as commands. */
  const commands = (text: string): string[] =>
    text.split('\n').filter((one) => /^::(?:error|notice) /.test(one));

  it('a failure is an annotation on stderr, and stdout is still a document', async () => {
    const { stdout, stderr } = await run(['up', '--require', 'kvm', '--json'], github);
    expect(commands(stderr)).toEqual([
      expect.stringMatching(/^::error title=vsbypass E_ACCEL::accelerator \(kvm\): .*%0A/),
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'E_ACCEL' } });
  });

  it('what is skipped is a notice, a wrong command line an error', async () => {
    const skipped = await run(['up', '--require', 'kvm', '--or-skip'], github);
    expect(commands(skipped.stderr)).toEqual([
      expect.stringContaining('::notice title=vsbypass E_SKIPPED::'),
    ]);
    const wrong = await run(['nonsense'], github);
    expect(commands(wrong.stderr)).toEqual([
      "::error title=vsbypass E_USAGE::unknown command 'nonsense'",
    ]);
  });

  it('nothing is annotated elsewhere, or when all is well', async () => {
    expect(commands((await run(['nonsense'])).stderr)).toEqual([]);
    expect(commands((await run(['--help'], github)).stderr)).toEqual([]);
  });
});

describe('verify', () => {
  it('writes test reports also when it cannot be carried out', async () => {
    const file = join(directory, 'reports/verify.xml');
    const { code, stdout } = await run(['verify', '--junit', file, '--tap']);
    expect(code).toBe(2);
    expect(stdout).toMatch(/^TAP version 14\n1\.\.1\nnot ok 1 - verify: verify\n/);
    expect(await readFile(file, 'utf8')).toContain(
      `<error message="there is no instance 'default'"`,
    );
  });

  it('prints a table, TAP or JSON, not two of them', async () => {
    expect(await run(['verify', '--tap', '--json'])).toMatchObject({ code: 2, stdout: '' });
  });
});
