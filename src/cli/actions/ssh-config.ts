/** Carries `vsbypass ssh-config` out: the files for stock OpenSSH, and the line in the user's own configuration. */
import { mkdir, realpath, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

import { errnoOf, VsbError } from '../../base/errors.js';
import { fileError, readIfThere, replaceFile, writePrivateFile } from '../../base/files.js';
import type { InstanceAccess } from '../../console/client/instance-access.js';
import { runningGateway } from '../../console/client/open.js';
import { renderSshConfig } from '../../console/client/ssh-config.js';
import { withInclude, withoutInclude } from '../../console/client/ssh-include.js';
import { knownHostsLine } from '../../formats/keys/key-files.js';
import type { CliContext } from '../context.js';

/**
 * Writes `ssh_config` and `known_hosts` into a folder of the instance, each whole or not at all.
 * @param hostOf the name by which ssh knows the console of a VM
 * @throws VsbError E_INSTANCE_NOT_RUNNING
 */
export async function writeSshConfig(
  access: InstanceAccess,
  directory: string,
  hostOf: (vm: string) => string,
): Promise<{ path: string; text: string }> {
  const { name, vms } = access;
  const gateway = runningGateway(access);
  const knownHostsFile = join(directory, 'known_hosts');
  const path = join(directory, 'ssh_config');
  const text = renderSshConfig({
    instance: name,
    vms,
    hostOf,
    host: gateway.host,
    port: gateway.port,
    identityFile: gateway.clientKeyPath,
    knownHostsFile,
  });
  await writePrivateFile(knownHostsFile, knownHostsLine(name, gateway.hostKeyLine));
  await writePrivateFile(path, text);
  return { path, text };
}

/** `vm1.vsbypass`, `vm1.lab.vsbypass`: nobody's host is called so, and no other instance's VM. */
function installedName(instance: string, vm: string): string {
  return instance === 'default' ? `${vm}.vsbypass` : `${vm}.${instance}.vsbypass`;
}

/**
 * Makes `ssh vm1.vsbypass` work for the user. Doing it again changes nothing.
 * @returns the file of the user and the names that it knows now
 * @throws VsbError E_INSTANCE_NOT_RUNNING, E_USAGE, E_FILE, E_NO_SPACE
 */
export async function installSshConfig(
  context: CliContext,
): Promise<{ file: string; names: readonly string[] }> {
  const access = await context.instance();
  const { path } = await writeInstalled(access);
  const file = await editUserConfig(context.env, (text) => withInclude(text, access.name, path));
  return { file, names: access.vms.map((vm) => installedName(access.name, vm)) };
}

/**
 * Takes it back; also for an instance that does not run any more.
 * @throws VsbError E_FILE, E_NO_SPACE
 */
export async function uninstallSshConfig(context: CliContext): Promise<{ file: string }> {
  const { name, stateDir } = await context.instance();
  const file = await editUserConfig(context.env, (text) => withoutInclude(text, name));
  await rm(join(stateDir, 'ssh_config'), { force: true });
  await rm(join(stateDir, 'known_hosts'), { force: true });
  return { file };
}

/** After a boot: the port may be another one than the installed files say. */
export async function refreshSshConfig(access: InstanceAccess): Promise<void> {
  if ((await readIfThere(join(access.stateDir, 'ssh_config'))) !== undefined) {
    await writeInstalled(access);
  }
}

async function writeInstalled(access: InstanceAccess): Promise<{ path: string }> {
  return await writeSshConfig(access, access.stateDir, (vm) => installedName(access.name, vm));
}

/**
 * Changes the user's `~/.ssh/config` as a whole or not at all; mode and owner stay, and where it is a
 * link, the file behind it changes. Nothing is written when nothing changes.
 */
async function editUserConfig(
  env: NodeJS.ProcessEnv,
  change: (text: string) => string,
): Promise<string> {
  const named = join(env['HOME'] ?? homedir(), '.ssh', 'config');
  try {
    const path = await realpath(named).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return named;
      throw error;
    });
    const old = await readIfThere(path);
    // latin1: bytes that are no UTF-8 stay what they are.
    const text = change(old?.toString('latin1') ?? '');
    if (text === (old?.toString('latin1') ?? '')) return path;
    if (old === undefined) await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await replaceFile(path, Buffer.from(text, 'latin1'));
    return path;
  } catch (error) {
    if (error instanceof VsbError) throw error;
    throw fileError(`cannot change ${named}`, error);
  }
}
