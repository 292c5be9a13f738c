/** `vsbypass prune`: gives back the disk that saved states, old images and old downloads take. */
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const about = `
Removes the states that \`up\` keeps by itself, and damaged ones; images, programs, packages and sources
that this version would not use; what killed builds have left. What stays: what an instance that is not stopped runs on,
what a saved state that is left needs, what a process has open, and files other than states that were used within the last
hour. Nothing removes them but this command; \`doctor\` says when it is time.

Examples:
  $ vsbypass prune --dry-run         what would go, and how much it is
  $ vsbypass prune
  $ vsbypass prune --unused-for 14   leave what another version of vsbypass has used within two weeks
  $ vsbypass prune --all             also the states of \`snapshot save\``;

export function pruneCommand(context: CliContext): Command {
  const command = new Command('prune')
    .description('remove saved states, and what of the cache has no use')
    .option('--all', 'also the states of `snapshot save`', false)
    .option('--dry-run', 'remove nothing, show what would go', false)
    .option(
      '--unused-for <days>',
      'leave what of the cache, states with it, was used since',
      parseDays,
      0,
    )
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', about)
    .action(async ({ all, dryRun, unusedFor, json }) => {
      const { prune } = await import('../actions/prune.js');
      await prune(context, { all, dryRun, unusedForDays: unusedFor, json });
    });
  return command;
}

function parseDays(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text)) throw new InvalidArgumentError('a whole number of days');
  return Number(text);
}
