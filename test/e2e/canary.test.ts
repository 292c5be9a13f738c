/** Registers with known values in L1's dom0 and in a guest of L2: neither L2 nor that guest may ever see another's. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CommandLine } from './command-line.js';

const source = fileURLToPath(new URL('canary.c', import.meta.url));
const program = '/run/canary';
let cli: CommandLine;

beforeAll(async () => {
  cli = await CommandLine.createWithImages();
  await cli.must(['up', '--l2', 'kvm'], { timeoutMs: 1_800_000 });

  const binary = join(cli.directory, 'canary');
  const options = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static'];
  await cli.mustProgram('gcc', [...options, '-o', binary, source]);
  const content = await readFile(binary);
  for (const layer of ['l1', 'l2'] as const) {
    const copied = await cli.ssh(layer, `cat > ${program} && chmod 700 ${program}`, {
      input: content,
    });
    expect(copied.code, copied.stderr).toBe(0);
  }
});

afterAll(async () => {
  await cli.dispose();
});

describe('processor state', () => {
  it("of L1's dom0, of L2 and of L2's guests stays apart", async () => {
    const held = cli.ssh('l1', `${program} hold 50`, { timeoutMs: 120_000 });
    const { code, stdout } = await cli.ssh('l2', `${program} check 30`, {
      timeoutMs: 120_000,
    });
    expect(stdout).toMatch(/^\d+ rounds, 0 differences\n$/);
    expect(code).toBe(0);
    // It kept its registers to the end.
    expect(await held).toMatchObject({ code: 0, stdout: 'holding\n' });
  });
});
