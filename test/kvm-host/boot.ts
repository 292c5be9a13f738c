/** Boots the emulated host of a test file: its image is built by scripts/test. */
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

export async function bootHost(
  name: string,
  options: Pick<EmulatedHostOptions, 'features'> = {},
): Promise<EmulatedHost> {
  const words = ['kvm-host', 'qemu', '--cache', cache, '--offline'];
  const { stdout } = await promisify(execFile)(build, words);
  const [image, qemu] = stdout.split('\n').map((line) => line.split('\t')[1]);
  if (image === undefined || qemu === undefined) throw new Error(`images/build said ${stdout}`);
  return await EmulatedHost.boot({
    ...options,
    image,
    qemu,
    progress: (line) => process.stderr.write(`${name}: ${line}\n`),
  });
}

/** Brings the testbed up in such a host. @param words for `up` */
export async function upUnderKvm(host: EmulatedHost, words = ''): Promise<void> {
  await host.loadKvm({ nested: 1, npt: 1 });
  await host.must(`${vsbypass} up --require kvm --cold --timings ${words}`, upLimitMs);
}
