/** A user VM whose root wants to be another one: it forges its SMBIOS table and starts at the reset vector (takeover.S). */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { vmUuid } from '../../src/state/record.js';
import { CommandLine, type Status } from './command-line.js';
import { patientMs, patientSeconds } from './limits.js';

const source = fileURLToPath(new URL('takeover.S', import.meta.url));
const victimUuid = vmUuid('default', 'victim');

let cli: CommandLine;

/** The attacker's kernel, with the UUID that it is to claim. */
async function makeKernel(): Promise<string> {
  await cli.mustProgram('as', ['--32', source, '-o', 'takeover.o']);
  const link = ['-m', 'elf_i386', '-Ttext', '0', '--oformat', 'binary', '-o', 'takeover'];
  await cli.mustProgram('ld', [...link, 'takeover.o']);
  const path = join(cli.directory, 'takeover');
  const kernel = await readFile(path);
  const uuid = Buffer.from(victimUuid.replaceAll('-', ''), 'hex');
  // SMBIOS 7.2.1: the first three fields are little endian.
  uuid.subarray(0, 4).reverse();
  uuid.subarray(4, 6).reverse();
  uuid.subarray(6, 8).reverse();
  kernel.set(uuid, kernel.indexOf('UUID:0123456789a'));
  await writeFile(path, kernel);
  return path;
}

const vmsNow = async (): Promise<Status['vms']> => (await cli.json<Status>(['status'])).vms;

beforeAll(async () => {
  cli = await CommandLine.createWithImages();
  const attacker = { name: 'attacker', kernel: await makeKernel(), autostart: false };
  const config = join(cli.directory, 'vsbypass.json');
  await writeFile(config, JSON.stringify({ vms: [{ name: 'victim' }, attacker] }));
  await cli.must(['-v', 'up', '--config', config, '--cold', '--no-save'], { timeoutMs: 1_800_000 });
  await cli.must(['vm', 'start', 'attacker'], { timeoutMs: 300_000 });
});

afterAll(async () => {
  await cli.dispose();
});

it('gets neither the name nor the sessions of the other, and is told to be doubtful', async () => {
  const victim = cli.start([
    'console',
    'victim',
    '--watch',
    '--replay',
    'none',
    '--expect',
    'EN[D]',
  ]);
  const before = await vmsNow();
  expect(before.find(({ name }) => name === 'victim')).toMatchObject({ state: 'running' });
  await cli.must(
    [
      ...['console', 'attacker', '--timeout', patientSeconds(120)],
      ...['--expect', 'ready to take over', '--send', '!'],
    ],
    { timeoutMs: 240_000 },
  );
  let forged: Status['vms'][number] | undefined;
  await expect
    .poll(
      async () => {
        forged = (await vmsNow()).find(({ label }) => label === 'doubtful');
        return forged?.claims;
      },
      { timeout: patientMs(30_000), interval: 2000 },
    )
    .toBe(victimUuid);
  expect(forged?.name).toMatch(/^slot-\d+-\d+$/);
  expect(forged?.name).not.toBe('victim');

  // The console of the victim is the victim's, and what is typed there reaches nobody else.
  const output = await cli.must(
    [
      ...['console', 'victim', '--replay', 'none', '--take', '--timeout', patientSeconds(60)],
      ...['--send', 'nobody\\r', '--expect', 'Password:'],
    ],
    { timeoutMs: 240_000 },
  );
  expect(output).not.toContain('<n>');
  // What the attacker says is at its own console alone.
  await cli.must(
    [
      ...['console', forged?.name ?? '', '--replay', 'lines', '--timeout', patientSeconds(60)],
      ...['--expect', 'victim login: $'],
    ],
    { timeoutMs: 240_000 },
  );
  expect(victim.output()).not.toContain('victim login: <');
  victim.child.kill('SIGINT');
  await victim.finished;
});
