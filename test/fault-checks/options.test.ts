import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { parseOptions, seedOf } from '../../scripts/fault-checks/options.mjs';

const faults = ['one', 'two'];

describe('parseOptions', () => {
  it('takes numbers and names', () => {
    expect(
      parseOptions(['--seed', '6', '--rounds', '20', '--only', 'two', '--json'], faults),
    ).toEqual({ only: ['two'], seed: 6, rounds: 20, json: true, help: false });
    expect(parseOptions([], faults)).toMatchObject({ only: faults, rounds: 20, json: false });
  });

  it.each([
    [['--rounds', 'abc'], /--rounds .* not 'abc'/],
    [['--rounds', '0'], /--rounds/],
    [['--rounds', '2.5'], /--rounds/],
    [['--seed', 'abc'], /--seed .* not 'abc'/],
    [['--seed', ''], /--seed/],
    [['--seed', '4294967296'], /--seed/],
    [['--only', 'one,three'], /no fault 'three'; there are: one, two/],
    [['--other'], /--other/],
  ])('refuses %j', (words, message) => {
    expect(() => parseOptions(words, faults)).toThrow(message);
  });
});

describe('seedOf', () => {
  it('gives the same seed for the same name, and another one for another', () => {
    expect(seedOf(6, 'kill-up')).toBe(seedOf(6, 'kill-up'));
    const seeds = [
      seedOf(6, 'kill-up'),
      seedOf(6, 'link'),
      seedOf(6, 'link proxy'),
      seedOf(7, 'link'),
    ];
    expect(new Set(seeds).size).toBe(4);
  });
});

describe('scripts/faults', () => {
  const run = async (...words: string[]) =>
    await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      const script = fileURLToPath(new URL('../../scripts/faults', import.meta.url));
      execFile(process.execPath, [script, ...words], (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      );
    });

  it('shows how it is used, with the faults that it has', async () => {
    const { code, stdout } = await run('--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/--only NAMES .*kill-up.*clock/);
    expect(stdout).toContain('Examples:');
  });

  it('refuses what is no number with exit code 2, before it starts anything', async () => {
    const { code, stdout, stderr } = await run('--rounds', 'abc', '--json');
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/--rounds takes a whole number[^]*--help/);
  });
});
