/** `vsbypass logs`: the log of one layer, or of a user VM as the virtualized system has it. */
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
Layers: xen (the shadow hypervisor), l1 (its dom0), l2 (the virtualized system), qemu, daemon,
audit (who attached when to which console, and who tried),
vm:<name> (what L2's own serial device of that VM has logged: the operator's view).
A terminal gets them without control sequences, a file or a pipe as they were printed.

Examples:
  $ vsbypass logs xen
  $ vsbypass logs l2 -f
  $ vsbypass logs daemon --since 10m
  $ vsbypass logs vm:vm1`;

export function logsCommand(context: CliContext): Command {
  const command = new Command('logs')
    .description("show a layer's log")
    .argument('<layer>', 'xen, l1, l2, qemu, daemon, audit or vm:<name>')
    .option('-f, --follow', 'go on with what comes', false)
    .option('-n, --lines <count>', 'so many last lines (default 50, or all since)', parseCount)
    .option('--since <when>', 'only what came later: 90s, 10m, 2h, 1d ago, or an ISO 8601 time')
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async (layer, options) => {
      const { showLog } = await import('../actions/logs.js');
      await showLog(context, layer, options);
    });
  return command as unknown as Command;
}

function parseCount(value: string): number {
  const count = Number(value);
  if (!Number.isInteger(count) || count < 0) throw new InvalidArgumentError('A number from 0 on.');
  return count;
}
