/** Boots the emulated host of a test file: its image is built by scripts/test. */
import { execFile } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { EmulatedHost, type EmulatedHostOptions } from '../rig/emulated-host.js';

const build = fileURLToPath(new URL('../../images/build', import.meta.url));
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'vsbypass');

/** What a testbed needs to come up there, on a slow machine. */
export const upLimitMs = 840_000;

export async function bootHost(
  name: string,
  options: Omit<EmulatedHostOptions, 'image' | 'progress'> = {},
): Promise<EmulatedHost> {
  const { stdout } = await promisify(execFile)(build, ['kvm-host', '--cache', cache, '--offline']);
  const image = stdout.trim().split('\t')[1];
  if (image === undefined) throw new Error(`images/build said ${stdout}`);
  return await EmulatedHost.boot({
    ...options,
    image,
    progress: (line) => process.stderr.write(`${name}: ${line}\n`),
  });
}
