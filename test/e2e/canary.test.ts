/** Registers with known values in L1's dom0 and in a guest of L2: neither L2 nor that guest may ever see another's. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CommandLine, type Finished } from './command-line.js';

interface Management {
  readonly l1: { readonly port: number };
  readonly l2: { readonly port: number };
  readonly keyPath: string;
}

const source = fileURLToPath(new URL('canary.c', import.meta.url));
const program = '/run/canary';
let cli: CommandLine;
let management: Management;

beforeAll(async () => {
  cli = await CommandLine.createWithImages();
  await cli.must(['up', '--l2', 'kvm'], { timeoutMs: 1_800_000 });
  ({ management } = await cli.json<{ management: Management }>(['status']));

  const binary = join(cli.directory, 'canary');
  const options = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static'];
  const { code, stderr } = await cli.startProgram('gcc', [...options, '-o', binary, source], {
    input: '',
  }).finished;
  expect(code, stderr).toBe(0);
  const content = await readFile(binary);
  for (const layer of ['l1', 'l2'] as const) {
    const copied = await run(layer, `cat > ${program} && chmod 700 ${program}`, content);
    expect(copied.code, copied.stderr).toBe(0);
  }
});

afterAll(async () => {
  await cli.dispose();
});

function run(layer: 'l1' | 'l2', command: string, input: string | Buffer = ''): Promise<Finished> {
  return cli.startProgram(
    'ssh',
    [
      ...['-p', String(management[layer].port), '-i', management.keyPath, 'root@127.0.0.1'],
      ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
      command,
    ],
    { input, timeoutMs: 120_000 },
  ).finished;
}

describe('processor state', () => {
  it("of L1's dom0, of L2 and of L2's guests stays apart", async () => {
    const held = run('l1', `${program} hold 50`);
    const { code, stdout } = await run('l2', `${program} check 30`);
    expect(stdout).toMatch(/^\d+ rounds, 0 differences\n$/);
    expect(code).toBe(0);
    // It kept its registers to the end.
    expect(await held).toMatchObject({ code: 0, stdout: 'holding\n' });
  });
});
