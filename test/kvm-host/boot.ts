/** Boots the emulated host of a test file. */
import { execFile } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { EmulatedHost, vsbypass, type EmulatedHostOptions } from '../rig/emulated-host.js';

const build = fileURLToPath(new URL('../../images/build', import.meta.url));
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'vsbypass');

/** What a testbed needs to come up there, on a slow machine. */
export const upLimitMs = 840_000;

/** The folder of an image, which scripts/test has built. */
export async function imageOf(name: 'kvm-host' | 'qemu'): Promise<string> {
  const { stdout } = await promisify(execFile)(build, [name, '--cache', cache, '--offline']);
  const directory = stdout.trim().split('\t')[1];
  if (directory === undefined) throw new Error(`images/build said ${stdout}`);
  return directory;
}

export async function bootHost(
  name: string,
  options: Pick<EmulatedHostOptions, 'features'> = {},
): Promise<EmulatedHost> {
  return await EmulatedHost.boot({
    ...options,
    image: await imageOf('kvm-host'),
    qemu: await imageOf('qemu'),
    progress: (line) => process.stderr.write(`${name}: ${line}\n`),
  });
}

/** Brings the testbed up in such a host. @param words for `up` */
export async function upUnderKvm(host: EmulatedHost, words = ''): Promise<void> {
  await host.loadKvm({ nested: 1, npt: 1 });
  await host.must(`${vsbypass} up --require kvm --cold --timings ${words}`, upLimitMs);
}
