/**
 * `vsbypass console`: the secure consoles. `console <vm>` is short for `console attach <vm>`; the other
 * subcommands ask and act without a terminal.
 */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';
import { breakCommand, whoCommand } from './console-ask.js';
import { attachCommand } from './console-attach.js';
import { grantCommand, grantsCommand, revokeCommand } from './console-grants.js';
import { runCommand } from './console-run.js';

const examples = `
Examples:
  $ vsbypass console vm1                open the console, as \`console attach vm1\`
  $ vsbypass console vm1 --watch        only look on
  $ vsbypass console run vm1 -- uname -r
  $ vsbypass console grant vm1 --key alice.pub --ttl 60s
  $ vsbypass console attach --help      all that it can do, scripts too`;

export function consoleCommand(context: CliContext): Command {
  const command = new Command('console')
    .description('the secure consoles of the user VMs')
    .addHelpText('after', examples);
  command.addCommand(attachCommand(context), { isDefault: true });
  for (const factory of [
    runCommand,
    whoCommand,
    breakCommand,
    grantCommand,
    revokeCommand,
    grantsCommand,
  ]) {
    command.addCommand(factory(context));
  }
  return command;
}
