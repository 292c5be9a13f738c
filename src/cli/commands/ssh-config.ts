/** `vsbypass ssh-config`: writes the files with which stock OpenSSH reaches the consoles, prints their path. */
import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Command } from '@commander-js/extra-typings';

import type { CliContext, InstanceAccess } from '../context.js';

export function sshConfigCommand(context: CliContext): Command {
  const command = new Command('ssh-config')
    .description('print the path of an OpenSSH configuration for the consoles')
    .option('--print', 'print the configuration itself')
    .addHelpText('after', '\nExample:\n  $ ssh -F "$(vsbypass ssh-config)" vm1')
    .action(async ({ print }) => {
      const { path, text } = await writeSshConfig(await context.instance());
      context.stdout.write(print === true ? text : `${path}\n`);
    });
  return command;
}

/**
 * Writes `ssh_config` and `known_hosts` into the instance's runtime folder, each whole or not at all.
 * @throws VsbError E_INSTANCE_NOT_RUNNING
 */
async function writeSshConfig(access: InstanceAccess): Promise<{ path: string; text: string }> {
  const { name, runtimeDir, vms } = access;
  const { runningGateway } = await import('../../console/open.js');
  const gateway = runningGateway(access);
  const { knownHostsLine } = await import('../../console/keys.js');
  const { renderSshConfig } = await import('../../console/ssh-config.js');
  const knownHostsFile = join(runtimeDir, 'known_hosts');
  const path = join(runtimeDir, 'ssh_config');
  const text = renderSshConfig({
    instance: name,
    vms,
    host: gateway.host,
    port: gateway.port,
    identityFile: gateway.clientKeyPath,
    knownHostsFile,
  });
  await replaceFile(knownHostsFile, knownHostsLine(name, gateway.hostKeyLine));
  await replaceFile(path, text);
  return { path, text };
}

async function replaceFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await writeFile(temporary, content, { mode: 0o600 });
  await rename(temporary, path);
}
