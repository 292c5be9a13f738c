/** `vsbypass stock`: whether the virtualized system is what Debian ships. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
Every file of a Debian package in the running L2 (hypervisor, tools, QEMU, kernel modules) is hashed there and compared with
the package's, whose signature apt has checked. Exit codes: 0 none differs, 4 some do.

Example:
  $ vsbypass stock`;

export function stockCommand(context: CliContext): Command {
  const command = new Command('stock')
    .description("compare the files that run in the virtualized system with Debian's packages")
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async ({ json }) => {
      const { showStock } = await import('../actions/stock.js');
      await showStock(context, json);
    });
  return command;
}
