/** `vsbypass l1`: what whoever studies L1's dom0 needs. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
Examples:
  $ vsbypass l1 shell                    a shell of root in L1's dom0
  $ vsbypass l1 shell -- xl list         one command; its exit code is the exit code
  $ vsbypass l1 shell 'dmesg | tail'     one word is a line for the shell there`;

export function l1Command(context: CliContext): Command {
  const command = new Command('l1')
    .description("L1's dom0, which manages L2")
    .addHelpText('after', examples);
  command
    .command('shell')
    .description("a shell of root in L1's dom0, or one command there")
    .argument('[command...]')
    .addHelpText('after', examples)
    .action(async (words) => {
      const { openShell } = await import('../actions/shell.js');
      await openShell(context, 'l1', words);
    });
  return command;
}
