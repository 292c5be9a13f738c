/** `vsbypass irq`: how user VMs get their interrupts, from now on. */
import { Argument, Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
  direct     an idle user VM gets them from the shadow hypervisor; else the doorbell (default)
  doorbell   the shadow hypervisor makes the virtualized system raise them; nothing is added to it
  ultracall  a server in it asks the shadow hypervisor by a call of its own; L2 needs two vCPUs
  net        a server in it is told over the network

Examples:
  $ vsbypass irq net
  $ vsbypass irq direct`;

export function irqCommand(context: CliContext): Command {
  return new Command('irq')
    .description('switch the interrupt path of the consoles')
    .addArgument(
      new Argument('<path>').choices(['direct', 'doorbell', 'ultracall', 'net'] as const),
    )
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async (mode, { json }) => {
      const { callDaemon } = await import('../../instance/client.js');
      const { servedInstance } = await import('../../instance/access.js');
      const { describeInterrupts, printJson } = await import('../output.js');
      const paths = await servedInstance(context.global.name, context.signal);
      const irq = await callDaemon(
        paths.controlSocket,
        'irq.set',
        { mode },
        { signal: context.signal },
      );
      if (json) printJson(context, { schemaVersion: 1, ...irq });
      else if (!context.global.quiet) context.stderr.write(`${describeInterrupts(irq)}\n`);
    }) as unknown as Command;
}
