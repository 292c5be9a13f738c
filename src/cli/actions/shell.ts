/** Carries `vsbypass l1 shell` and `l2 shell` out: stock OpenSSH with the instance's keys. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { VsbError, errnoOf, messageOf } from '../../base/errors.js';
import { writePrivateFile } from '../../base/files.js';
import { shellQuote, type SshTarget } from '../../host/ssh.js';
import { managedInstance } from '../../instance/access.js';
import { accessToL2 } from '../../state/management-targets.js';
import type { CliContext } from '../context.js';

/** Under which the other side's key stands in the file of known hosts. */
const alias = 'layer';

/**
 * A shell in L1's dom0 or in L2, with the user's terminal; or a command. Its exit code is this program's.
 *
 * @throws VsbError E_INSTANCE_NOT_RUNNING, E_L2_ACCESS, E_PACKAGE_MISSING; the signal's reason
 */
export async function openShell(
  context: CliContext,
  layer: 'l1' | 'l2',
  words: readonly string[],
): Promise<void> {
  const { signal, global } = context;
  const { management, runtimeDir } = await managedInstance(global.name, signal);
  const target = layer === 'l1' ? management.l1 : accessToL2(management);
  const folder = await mkdtemp(join(runtimeDir, 'shell-'));
  try {
    const options = await connectionOptions(target, folder);
    context.exitWith(await runSsh([...options, ...remoteCommand(words)], signal));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One word is a line for the shell there; several are a program and its arguments, as they are. */
export function remoteCommand(words: readonly string[]): string[] {
  if (words.length === 0) return [];
  return [words.length === 1 ? words.join() : words.map(shellQuote).join(' ')];
}

async function connectionOptions(
  { host, port, user = 'root', privateKey, hostKeyLine }: SshTarget,
  folder: string,
): Promise<string[]> {
  const [key, knownHosts] = [join(folder, 'key'), join(folder, 'known_hosts')];
  await writePrivateFile(key, privateKey);
  await writePrivateFile(knownHosts, hostKeyLine === undefined ? '' : `${alias} ${hostKeyLine}\n`);
  const settings = {
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    PreferredAuthentications: 'publickey',
    UserKnownHostsFile: `"${knownHosts}"`,
    GlobalKnownHostsFile: 'none',
    HostKeyAlias: alias,
    StrictHostKeyChecking: hostKeyLine === undefined ? 'no' : 'yes',
    LogLevel: 'ERROR',
    ConnectTimeout: '30',
  };
  return [
    ...['-F', 'none', '-i', key, '-p', String(port), '-l', user],
    ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...[host, '--'],
  ];
}

async function runSsh(words: readonly string[], signal: AbortSignal): Promise<number> {
  const child = spawn('ssh', words, { stdio: 'inherit' });
  const end = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', end, { once: true });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(sshMissing(error)));
      child.once('exit', (code, by) =>
        resolve(code ?? 128 + (by === null ? 0 : constants.signals[by])),
      );
    });
  } finally {
    signal.removeEventListener('abort', end);
    signal.throwIfAborted();
  }
}

function sshMissing(error: Error): VsbError {
  const missing = errnoOf(error) === 'ENOENT';
  return new VsbError(
    missing ? 'E_PACKAGE_MISSING' : 'E_HOST',
    `cannot start ssh: ${messageOf(error)}`,
    {
      layer: 'host',
      ...(missing ? { hint: 'apt-get install openssh-client' } : {}),
    },
  );
}
