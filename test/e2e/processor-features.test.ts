/** Features of real processors that TCG's model leaves off: nested SVM has to cope with them. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CommandLine, type Status } from './command-line.js';
import { logIn, shell } from './guest-shell.js';

let cli: CommandLine;

beforeAll(async () => {
  cli = await CommandLine.createWithImages();
});

afterAll(async () => {
  await cli.dispose();
});

/** A PATH whose QEMU is this host's, but gives L0's processor one feature more. */
async function pathWithFeature(feature: string): Promise<string> {
  const folder = join(cli.directory, feature);
  const program = join(folder, 'qemu-system-x86_64');
  const path = process.env['PATH'] ?? '';
  await mkdir(folder);
  await writeFile(
    program,
    `#!/bin/bash
arguments=() last=
for argument; do
  if [[ $last == -cpu && $argument == EPYC* ]]; then argument+=,+${feature}; fi
  arguments+=("$argument") last=$argument
done
PATH=\${PATH#*${delimiter}}
exec qemu-system-x86_64 "\${arguments[@]}"
`,
  );
  await chmod(program, 0o755);
  return `${folder}${delimiter}${path}`;
}

describe('a processor with vgif', () => {
  it('brings a user VM to its login, and its console takes what is typed', async () => {
    const env = { PATH: await pathWithFeature('vgif') };
    const words = ['up', '--accel', 'tcg', '--cold', '--no-save', '--show-password'];
    const status = await cli.json<Status>(words, { env, timeoutMs: 600_000 });
    const qemu = (await cli.processes()).find(({ command }) => command.includes('-kernel'));
    expect(qemu?.command).toContain(',+vgif');
    await logIn(cli, 'vm1', status.vms[0]?.password ?? '');
    expect(await shell(cli, 'vm1', 'echo $((6 * 7))')).toContain('42');
  });
});
