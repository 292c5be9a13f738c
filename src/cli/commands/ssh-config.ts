/** `vsbypass ssh-config`: with which stock OpenSSH reaches the consoles. */
import { Command } from '@commander-js/extra-typings';

import { VsbError } from '../../base/errors.js';
import type { CliContext } from '../context.js';

const examples = `
Examples:
  $ ssh -F "$(vsbypass ssh-config)" vm1
  $ vsbypass ssh-config --install       an Include line in ~/.ssh/config: from then on
  $ ssh vm1.vsbypass                    (of an instance 'lab': ssh vm1.lab.vsbypass)`;

export function sshConfigCommand(context: CliContext): Command {
  const command = new Command('ssh-config')
    .description('print the path of an OpenSSH configuration for the consoles')
    .option('--print', 'print the configuration itself')
    .option('--install', 'make the consoles known to your own ~/.ssh/config')
    .option('--uninstall', 'take that back')
    .addHelpText('after', examples)
    .action(async ({ print, install, uninstall }) => {
      const { installSshConfig, uninstallSshConfig, writeSshConfig } =
        await import('../actions/ssh-config.js');
      if ([print, install, uninstall].filter((one) => one === true).length > 1) {
        throw new VsbError('E_USAGE', '--print, --install and --uninstall exclude each other');
      }
      const say = (text: string): void => {
        if (!context.global.quiet) context.stderr.write(`${text}\n`);
      };
      if (install === true) {
        const { file, names } = await installSshConfig(context);
        say(`${file} knows these consoles now:`);
        for (const name of names) context.stdout.write(`${name}\n`);
      } else if (uninstall === true) {
        const { file } = await uninstallSshConfig(context);
        say(`${file} has no lines for instance '${context.global.name}' any more`);
      } else {
        const access = await context.instance();
        const { path, text } = await writeSshConfig(access, access.runtimeDir, (vm) => vm);
        context.stdout.write(print === true ? text : `${path}\n`);
      }
    });
  return command;
}
