/** `vsbypass daemon` (hidden): the background process of one instance, started by `up`. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

export function daemonCommand(context: CliContext): Command {
  const command = new Command('daemon')
    .description('run an instance (started by `up`)')
    .action(async () => {
      const { assertLocked, greetWithFailure, runDaemon } = await import('../../daemon/main.js');
      assertLocked(context.env);
      const { instancePaths } = await import('../../state/paths.js');
      const { findRoots } = await import('../../state/roots.js');
      const roots = findRoots();
      try {
        await runDaemon(instancePaths(context.global.name, roots), roots);
      } catch (error) {
        greetWithFailure(error);
        throw error;
      }
    });
  return command;
}
