/** A user VM that starts as a user's own would: firmware, GRUB and a compressed kernel, all from its own disk. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { CommandLine, type Status } from './command-line.js';
import { patientSeconds } from './limits.js';

const images = fileURLToPath(new URL('../../images/build', import.meta.url));
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'vsbypass');

const grubConfig = `
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=1
menuentry "a kernel of its own" {
  linux /boot/vmlinuz console=ttyS0,115200
  initrd /boot/initrd
}
`;

let cli: CommandLine;

/** A disk that boots by GRUB what the default user VM boots without it. */
async function makeDisk(): Promise<string> {
  const built = await cli.mustProgram(images, ['l3', '--cache', cache], { timeoutMs: 900_000 });
  const l3 = /^l3\t(.*)$/m.exec(built)?.[1];
  if (l3 === undefined) throw new Error(built);
  const boot = join(cli.directory, 'content/boot');
  await mkdir(join(boot, 'grub'), { recursive: true });
  await copyFile(join(l3, 'vmlinuz'), join(boot, 'vmlinuz'));
  await copyFile(join(l3, 'initrd'), join(boot, 'initrd'));
  await writeFile(join(boot, 'grub/grub.cfg'), grubConfig);
  await cli.mustProgram('grub-mkrescue', ['-o', 'disk.img', 'content']);
  return join(cli.directory, 'disk.img');
}

beforeAll(async () => {
  cli = await CommandLine.create();
  const vm = { name: 'own', memoryMiB: 192, disk: { path: await makeDisk(), format: 'raw' } };
  const config = join(cli.directory, 'vsbypass.json');
  await writeFile(config, JSON.stringify({ vms: [vm] }));
  await cli.must(['up', '--config', config, '--cold', '--no-save'], { timeoutMs: 1_800_000 });
});

afterAll(async () => {
  await cli.dispose();
});

it('shows the boot loader, the kernel and the login', async () => {
  await cli.must(
    [
      ...['console', 'own', '--replay', 'lines', '--timeout', patientSeconds(120)],
      ...['--expect', 'a kernel of its own', '--expect', 'Linux version', '--expect', 'login: $'],
    ],
    { timeoutMs: 300_000 },
  );
});

it('has it all from the secure console', async () => {
  const [vm] = (await cli.json<Status>(['status'])).vms;
  expect(vm).toMatchObject({ name: 'own', state: 'running', hooked: true });
  expect(await cli.json(['proof', 'own'])).toMatchObject({ operatorBytes: 0 });
});
