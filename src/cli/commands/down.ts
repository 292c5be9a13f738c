/** `vsbypass down`: ends an instance, in whatever state it is. */
import { Command } from '@commander-js/extra-typings';

import { VsbError, messageOf } from '../../base/errors.js';
import type { CliContext } from '../context.js';

const examples = `
Examples:
  $ vsbypass down
  $ vsbypass --name second down
  $ vsbypass down --all          every instance of this user`;

export function downCommand(context: CliContext): Command {
  const command = new Command('down')
    .description('end all layers; keys, passwords and logs stay')
    .option('--all', 'all instances', false)
    .option('--json', 'print one JSON document', false)
    .option('--events', 'print what happens, one JSON document a line', false)
    .addHelpText('after', examples)
    .action(async ({ all, json, events }) => {
      const { listInstances } = await import('../../instance/inspect.js');
      const { stopInstance } = await import('../../instance/stop.js');
      const { instancePaths } = await import('../../state/paths.js');
      const { findRoots } = await import('../../state/roots.js');
      const roots = findRoots();
      const instances = all
        ? await listInstances(roots)
        : [instancePaths(context.global.name, roots)];
      const { printJson, printLinesTo } = await import('../output.js');
      const { printEvent } = await import('../events.js');
      const done: { name: string; wasUp: boolean }[] = [];
      const resisting: string[] = [];
      for (const paths of instances) {
        try {
          const stopped = await stopInstance(paths);
          done.push({ name: paths.name, wasUp: stopped });
          if (events) printEvent(context, { type: 'down', name: paths.name, wasUp: stopped });
          if (context.global.quiet) continue;
          context.stderr.write(`instance '${paths.name}' ${stopped ? 'is down' : 'was not up'}\n`);
        } catch (error) {
          // One that resists must not save the others.
          printLinesTo(context.stderr, [`instance '${paths.name}': ${messageOf(error)}`]);
          resisting.push(paths.name);
        }
      }
      if (resisting.length > 0) {
        throw new VsbError('E_DAEMON', `could not be taken down: ${resisting.join(', ')}`);
      }
      if (json) printJson(context, { schemaVersion: 1, instances: done });
    });
  return command;
}
