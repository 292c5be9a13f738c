/** `vsbypass counters`: what the shadow hypervisor has counted. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
The names are explained in docs/link-protocol.md.

Examples:
  $ vsbypass counters
  $ vsbypass counters --json | jq '.vms[0].counters.rings'`;

export function countersCommand(context: CliContext): Command {
  const command = new Command('counters')
    .description('show what the shadow hypervisor counted: exits, bytes, doorbells, overruns')
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async ({ json }) => {
      const { callDaemon } = await import('../../instance/client.js');
      const { servedInstance } = await import('../../instance/access.js');
      const { printJson, printLines, table } = await import('../output.js');
      const paths = await servedInstance(context.global.name, context.signal);
      const counters = await callDaemon(
        paths.controlSocket,
        'counters',
        {},
        { signal: context.signal },
      );
      if (json) {
        printJson(context, { schemaVersion: 1, ...counters });
        return;
      }
      const names = [...new Set(counters.vms.flatMap((vm) => Object.keys(vm.counters)))];
      printLines(
        context,
        table([
          ['VM', ...counters.vms.map((vm) => vm.name)],
          ...names.map((name) => [name, ...counters.vms.map((vm) => String(vm.counters[name]))]),
        ]),
      );
      printLines(context, [
        '',
        ...table([
          ['ALL', ''],
          ...Object.entries(counters.hypervisor).map(([name, value]) => [name, String(value)]),
        ]),
      ]);
    });
  return command;
}
