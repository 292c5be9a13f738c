/** `vsbypass snapshot`: saved states of the whole stack, for experiments that can be thrown away. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const about = `
A snapshot holds the memory of all layers, with all secrets in it, in a private folder of the instance. Somebody who is
logged in on a user VM's console must log out first: what is restored gets new keys, random numbers, passwords and the
time, and for that each console must be at its login prompt. Not under KVM, and not with disks or systems of your own.

Examples:
  $ vsbypass snapshot save before
  $ vsbypass snapshot restore before     back to it, in seconds
  $ vsbypass snapshot list`;

export function snapshotCommand(context: CliContext): Command {
  const command = new Command('snapshot')
    .description('save and restore the state of the whole stack')
    .addHelpText('after', about);
  command
    .command('save')
    .description('keep the present state; the guests stand still for some seconds')
    .argument('<name>')
    .option('--json', 'print one JSON document', false)
    .action(async (name, { json }) => {
      const { saveSnapshot } = await import('../actions/snapshot.js');
      await saveSnapshot(context, name, json);
    });
  command
    .command('restore')
    .description('end what runs, and go on from a kept state')
    .argument('<name>')
    .option('--json', 'print one JSON document', false)
    .action(async (name, { json }) => {
      const { restoreSnapshot } = await import('../actions/snapshot.js');
      await restoreSnapshot(context, name, json);
    });
  command
    .command('list')
    .description('show the kept states and the disk that they take')
    .option('--json', 'print one JSON document', false)
    .action(async ({ json }) => {
      const { showSnapshots } = await import('../actions/snapshot.js');
      await showSnapshots(context, json);
    });
  command
    .command('delete')
    .description('remove a kept state')
    .argument('<name>')
    .action(async (name) => {
      const { removeSnapshot } = await import('../actions/snapshot.js');
      await removeSnapshot(context, name);
    });
  return command;
}
