/** `vsbypass proof`: how much of a user VM's console the virtualized system has seen. */
import { Command } from '@commander-js/extra-typings';

import { ExitCode } from '../../base/errors.js';
import type { CliContext } from '../context.js';

const examples = `
Exit codes: 0 it has seen nothing, 5 it has seen something.

Example:
  $ vsbypass proof vm1`;

export function proofCommand(context: CliContext): Command {
  const command = new Command('proof')
    .description(
      "compare what L2's own serial device of a VM saw with what the secure console showed",
    )
    .argument('<vm>')
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async (vm, { json }) => {
      const { callDaemon } = await import('../../instance/client.js');
      const { servedInstance } = await import('../../instance/access.js');
      const { printJson, printLines } = await import('../output.js');
      const paths = await servedInstance(context.global.name, context.signal);
      const proof = await callDaemon(
        paths.controlSocket,
        'proof',
        { vm },
        { signal: context.signal },
      );
      if (json) {
        printJson(context, { schemaVersion: 1, ...proof });
      } else {
        printLines(context, [
          `L2's own serial device of ${vm} saw ${proof.operatorBytes} bytes ` +
            `(shadow console: ${proof.shadowBytes} bytes)`,
        ]);
      }
      if (proof.operatorBytes > 0) context.exitWith(ExitCode.leak);
    });
  return command as unknown as Command;
}
