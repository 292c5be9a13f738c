/** `vsbypass status`: what an instance really is, from living processes. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
Examples:
  $ vsbypass status
  $ vsbypass status --show-password
  $ vsbypass status --watch --events | jq -r '.status.state'
  $ vsbypass status --all --json | jq '.instances[].state'`;

export function statusCommand(context: CliContext): Command {
  const command = new Command('status')
    .description('show the state of an instance and its user VMs')
    .option('--all', 'all instances', false)
    .option('--show-password', "also root's password of each user VM", false)
    .option('-w, --watch', 'go on, and tell each change', false)
    .option('--json', 'print one JSON document', false)
    .option('--events', 'print one JSON document a line', false)
    .addHelpText('after', examples)
    .action(async (options) => {
      const { showStatus } = await import('../actions/status.js');
      await showStatus(context, options);
    });
  return command;
}
