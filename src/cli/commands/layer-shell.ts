/** `vsbypass l1 shell` and `vsbypass l2 shell`. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

/** @param where what it is a shell in, for people */
export function shellCommand(
  context: CliContext,
  layer: 'l1' | 'l2',
  where: string,
  examples: string,
): Command {
  const command = new Command('shell')
    .description(`a shell ${where}, or one command there`)
    .argument('[command...]')
    .addHelpText('after', examples)
    .action(async (words) => {
      const { openShell } = await import('../actions/shell.js');
      await openShell(context, layer, words);
    });
  return command as unknown as Command;
}
