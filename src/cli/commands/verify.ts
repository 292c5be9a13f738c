/** `vsbypass verify`: the operator's attack on a user VM's console, with and without the shadow layer. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const about = `
Logs root in on the VM's console, types and prints random strings there, and searches for them as root of the
virtualized system and of L1's dom0: first with the console left to L2, then shadowed. Takes some minutes, and the
console for as long. At the end the VM is shadowed or not as before.

Exit codes: 0 nothing found where the baseline shows it, 5 a leak, 4 the run proves nothing or could not be carried out.

Examples:
  $ vsbypass verify vm1
  $ vsbypass verify --self-test         does the search find what is there?
  $ vsbypass verify --json | jq '.phases[].channels[] | {channel, hits}'`;

export function verifyCommand(context: CliContext): Command {
  const command = new Command('verify')
    .description('search the layers below for what was typed and shown on a console')
    .argument('[vm]', 'name of the VM; the first one if absent')
    .option('--self-test', 'plant a string in each channel and find each', false)
    .option('--json', 'print the evidence as one JSON document', false)
    .addHelpText('after', about)
    .action(async (vm, options) => {
      const { runVerify } = await import('../actions/verify.js');
      await runVerify(context, vm, options);
    });
  return command as unknown as Command;
}
