/** `vsbypass verify`: the operator's attack on a user VM's console, with and without the shadow layer. */
import { Command, Option } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';
import { orSkipOption, requireOption } from '../options.js';
import { loginOptions } from './login-options.js';

const about = `
Logs in on the VM's console (as root, with the password that was made for this VM, unless options say otherwise), types
and prints random strings there, and searches for them as root of the virtualized system and of L1's dom0: first with the
console left to L2, then shadowed. Takes some minutes, and the console for as long. At the end the VM is shadowed or not
as before.

Exit codes: 0 nothing found where the baseline shows it, 5 a leak, 4 the run proves nothing or could not be carried out,
77 skipped (--or-skip). Test reports have a case for each channel, with the console left to L2 and shadowed.

Examples:
  $ vsbypass verify vm1
  $ vsbypass verify --self-test         does the search find what is there?
  $ vsbypass verify --active            what L2's operator does with a debugger, too (L2 = KVM)
  $ vsbypass verify --junit verify.xml  also as JUnit's XML; --tap prints TAP instead of the table
  $ vsbypass verify --require kvm --or-skip --deadline 15m
  $ vsbypass verify web --user admin --password-env VM_PASSWORD     a VM of a system of your own (l2.ssh, libvirt)
  $ vsbypass verify --json | jq '.phases[].channels[] | {channel, hits}'`;

export function verifyCommand(context: CliContext): Command {
  const command = loginOptions(new Command('verify'))
    .description('search the layers below for what was typed and shown on a console')
    .argument('[vm]', 'name of the VM; the first one if absent')
    .option('--self-test', 'plant a string in each channel and find each', false)
    .addOption(
      new Option('--active', "also single-steps and breakpoints by L2's operator: L1 has to notice")
        .conflicts('selfTest')
        .default(false),
    )
    .option('--junit <file>', 'write a test report, JUnit XML')
    .addOption(
      new Option('--tap', 'print a test report, TAP version 14').conflicts('json').default(false),
    )
    .addOption(requireOption())
    .addOption(orSkipOption())
    .option('--json', 'print the evidence as one JSON document', false)
    .addHelpText('after', about)
    .action(async (vm, options) => {
      const { runVerify } = await import('../actions/verify.js');
      await runVerify(context, vm, options);
    });
  return command as unknown as Command;
}
