/** `vsbypass prune`: gives back the disk that saved states take. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
Examples:
  $ vsbypass prune             the states that \`up\` keeps by itself, of all instances, and damaged ones
  $ vsbypass prune --all       also those of \`snapshot save\``;

export function pruneCommand(context: CliContext): Command {
  const command = new Command('prune')
    .description('remove saved states of all instances')
    .option('--all', 'also those of `snapshot save`', false)
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async ({ all, json }) => {
      const { prune } = await import('../actions/snapshot.js');
      await prune(context, all, json);
    });
  return command;
}
