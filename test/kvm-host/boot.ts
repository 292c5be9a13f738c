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

/**
 * Brings the testbed up in such a host, in a new one if it does not come up: with an instruction count QEMU's TCG may deliver
 * an interrupt twice that KVM has injected, the second time also where interrupts are off (docs/hosts.md). What runs then may
 * wait for ever for a lock that it holds itself.
 * @param words for `up`
 * @returns the host in which it is up
 */
export async function upUnderKvm(
  words: string,
  boot: () => Promise<EmulatedHost>,
  first?: EmulatedHost,
): Promise<EmulatedHost> {
  const attempt = async (host: EmulatedHost): Promise<EmulatedHost> => {
    try {
      await host.loadKvm({ nested: 1, npt: 1 });
      await host.must(`${vsbypass} up --require kvm --cold --timings ${words}`, upLimitMs);
      return host;
    } catch (error) {
      await host.dispose();
      throw error;
    }
  };
  try {
    return await attempt(first ?? (await boot()));
  } catch (error) {
    process.stderr.write(`up in an emulated host, once more: ${String(error)}\n`);
    return await attempt(await boot());
  }
}
