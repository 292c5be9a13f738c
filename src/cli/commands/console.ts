/**
 * `vsbypass console`: the secure consoles. `console <vm>` is short for `console attach <vm>`; the other
 * subcommands ask and act without a terminal.
 */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';
import { attachCommand } from './console-attach.js';

const examples = `
Examples:
  $ vsbypass console vm1                open the console, as \`console attach vm1\`
  $ vsbypass console vm1 --watch        only look on
  $ vsbypass console attach --help      all that it can do, scripts too`;

export function consoleCommand(context: CliContext): Command {
  const command = new Command('console')
    .description('the secure consoles of the user VMs')
    .addHelpText('after', examples);
  command.addCommand(attachCommand(context), { isDefault: true });
  return command;
}
