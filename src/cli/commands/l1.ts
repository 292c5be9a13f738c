/** `vsbypass l1`: what whoever studies L1's dom0 needs. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';
import { shellCommand } from './layer-shell.js';

const examples = `
Examples:
  $ vsbypass l1 shell                    a shell of root in L1's dom0
  $ vsbypass l1 shell -- xl list         one command; its exit code is the exit code
  $ vsbypass l1 shell 'dmesg | tail'     one word is a line for the shell there`;

export function l1Command(context: CliContext): Command {
  return new Command('l1')
    .description("L1's dom0, which manages L2")
    .addHelpText('after', examples)
    .addCommand(shellCommand(context, 'l1', "of root in L1's dom0", examples));
}
