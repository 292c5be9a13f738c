/** `vsbypass status`: what an instance really is, from living processes. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
Examples:
  $ vsbypass status
  $ vsbypass status --show-password
  $ vsbypass status --all --json | jq '.instances[].state'`;

export function statusCommand(context: CliContext): Command {
  const command = new Command('status')
    .description('show the state of an instance and its user VMs')
    .option('--all', 'all instances', false)
    .option('--show-password', "also root's password of each user VM", false)
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async ({ all, showPassword, json }) => {
      const { inspectInstance, listInstances } = await import('../../daemon/inspect.js');
      const { printJson, printLines, statusDocument, statusLines } = await import('../output.js');
      const { findRoots, instancePaths } = await import('../../testbed/paths.js');
      const { readPasswords } = await import('../../testbed/secrets.js');
      const roots = findRoots();
      const instances = all
        ? await listInstances(roots)
        : [instancePaths(context.global.name, roots)];
      const found = [];
      for (const paths of instances) {
        const status = await inspectInstance(paths, context.signal);
        found.push({ status, passwords: showPassword ? await readPasswords(paths) : undefined });
      }
      const [only] = found;
      if (json && all) {
        const documents = found.map((one) => statusDocument(one.status, one.passwords));
        printJson(context, { schemaVersion: 1, instances: documents });
      } else if (json && only !== undefined) {
        printJson(context, statusDocument(only.status, only.passwords));
      } else {
        for (const [index, one] of found.entries()) {
          printLines(context, [
            ...(index === 0 ? [] : ['']),
            ...statusLines(one.status, one.passwords),
          ]);
        }
      }
    });
  return command;
}
