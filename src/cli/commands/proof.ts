/** `vsbypass proof`: how much of a user VM's console the virtualized system has seen. */
import { Command } from '@commander-js/extra-typings';

import { ExitCode } from '../../base/errors.js';
import type { Proof } from '../../contract/answers.js';
import type { CliContext } from '../context.js';

const examples = `
Exit codes: 0 it has seen nothing, 5 it has seen something.

Of a VM that L2's operator has defined nothing is asked in L2: it is L1 that says whether it handles the VM's COM1 itself.

Examples:
  $ vsbypass proof vm1
  $ vsbypass proof 11111111-2222      by its UUID, or the beginning of it`;

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
        printLines(context, [describe(proof)]);
      }
      if ((proof.operatorBytes ?? 0) > 0 || proof.l1?.hooked === false) {
        context.exitWith(ExitCode.leak);
      }
    });
  return command as unknown as Command;
}

function describe({ vm, operatorBytes, shadowBytes, l1 }: Proof): string {
  const shown = `(shadow console: ${shadowBytes} bytes)`;
  if (l1 === undefined)
    return `L2's own serial device of ${vm} saw ${operatorBytes} bytes ${shown}`;
  return l1.hooked
    ? `L1 handles COM1 of ${vm} itself: ${l1.accesses} accesses that L2 was not entered for ${shown}`
    : `L1 leaves COM1 of ${vm} to L2: NOT SECURE ${shown}`;
}
