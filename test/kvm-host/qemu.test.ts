/** The emulated hosts' QEMU: with an instruction count, too, its processor delivers what VMRUN injects once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { compileHostile } from '../hostile/compile.js';
import { countedTcg } from '../rig/emulated-host.js';
import { imageOf } from './boot.js';

const check = 'each event arrives once, while interrupts are on';

it('delivers an interrupt that VMRUN injects once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'vsb-qemu-'));
  try {
    const kernel = await compileHostile(directory);
    const qemu = spawn(
      join(await imageOf('qemu'), 'qemu-system-x86_64'),
      [
        ...countedTcg,
        ...['-cpu', 'EPYC,+svm,+npt', '-m', '64', '-nodefaults', '-display', 'none', '-no-reboot'],
        ...['-kernel', kernel, '-append', 'checks', '-debugcon', 'stdio'],
      ],
      { stdio: ['ignore', 'pipe', 'ignore'], timeout: 120_000 },
    );
    const ended = once(qemu, 'exit');
    let output = '';
    qemu.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      // One of the checks behind it is QEMU's end.
      if (output.includes(`${check}\n`)) qemu.kill();
    });
    await ended;
    expect(output).toMatch(new RegExp(`^ok \\d+ - ${check}$`, 'm'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
