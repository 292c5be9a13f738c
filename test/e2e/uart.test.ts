/** User VMs that are no Linux: how they use the UART's interrupt, and what wakes them. */
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, it } from 'vitest';

import { CommandLine } from './command-line.js';
import { patientSeconds } from './limits.js';

const source = fileURLToPath(new URL('echo.S', import.meta.url));
const guests = [
  { name: 'usual', what: 'sets OUT2, and has a timer', modem: 8, timer: 1 },
  { name: 'no-out2', what: 'leaves OUT2 clear, as xv6 does', modem: 0, timer: 1 },
  { name: 'no-timer', what: 'halts without a timer', modem: 8, timer: 0 },
];
let cli: CommandLine;

/** A disk that boots one of them. */
async function makeDisk({ name, modem, timer }: (typeof guests)[number]): Promise<string> {
  const disk = join(cli.directory, `${name}.img`);
  const symbols = ['--defsym', `MODEM=${modem}`, '--defsym', `TIMER=${timer}`];
  await cli.mustProgram('as', ['--32', ...symbols, source, '-o', 'echo.o']);
  const link = ['-m', 'elf_i386', '-Ttext', '0x7c00', '--oformat', 'binary'];
  await cli.mustProgram('ld', [...link, 'echo.o', '-o', disk]);
  await truncate(disk, 1024 * 1024);
  return disk;
}

beforeAll(async () => {
  cli = await CommandLine.createWithImages();
  const vms = [];
  for (const guest of guests) {
    const disk = { path: await makeDisk(guest), format: 'raw', readOnly: true };
    vms.push({ name: guest.name, memoryMiB: 32, disk });
  }
  const config = join(cli.directory, 'vsbypass.json');
  await writeFile(config, JSON.stringify({ vms }));
  await cli.must(['up', '--config', config, '--cold', '--no-save'], { timeoutMs: 1_800_000 });
});

afterAll(async () => {
  await cli.dispose();
});

it.each(guests)('hears the first key, and all others: one that $what', async ({ name }) => {
  await cli.must(
    [
      ...['console', name, '--replay', 'lines', '--timeout', patientSeconds(30), '--expect', '>'],
      ...['--send', 'a', '--expect', 'a', '--send', 'bcdefghij', '--expect', 'bcdefghij'],
    ],
    { timeoutMs: 120_000 },
  );
});
