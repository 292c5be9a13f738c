/** `vsbypass man`: the manual page, in roff. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
Examples:
  $ vsbypass man | man -l -
  $ vsbypass man > ~/.local/share/man/man1/vsbypass.1`;

export function manCommand(context: CliContext): Command {
  const command = new Command('man')
    .description('print the manual page')
    .addHelpText('after', examples)
    .action(async () => {
      const { renderManPage } = await import('../man.js');
      const program = command.parent;
      if (program === null) throw new TypeError('the page is about the command above this one');
      context.stdout.write(renderManPage(program));
    });
  return command;
}
