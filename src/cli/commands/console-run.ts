/** `vsbypass console run <vm> -- COMMAND`: one command in a VM's shell, for CI and other programs. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';
import { parseSeconds } from './console-attach.js';
import { keyOptions } from './console-key-options.js';
import { loginOptions } from './login-options.js';

const examples = `
Logs in on the VM's console, runs the command, logs out. Its output goes to stdout, its exit code becomes this
program's own; what keeps it from being run is told on stderr (exit codes 2, 4, 7, 124). --json tells the two apart.
The output is passed on byte by byte; on a terminal without what attacks one.
One word is a command line for the VM's shell, several are a program and its arguments.
Without a password option, the one that was made for root in this VM is used. A shell that somebody has
left logged in is used as it is. However it ends (timeout, Ctrl-C, a closed pipe), the command is ended, and the
console left as it was found.

Examples:
  $ vsbypass console run vm1 -- uname -r
  $ vsbypass console run vm1 -- 'dmesg | tail -n 3'
  $ vsbypass console run vm1 --user admin --password-env VM_PASSWORD --timeout 300 -- ./selftest`;

export function runCommand(context: CliContext): Command {
  const command = loginOptions(keyOptions(new Command('run')))
    .description("run a command in a VM's shell, over its secure console")
    .argument('<vm>', 'name of the VM')
    .argument('<command...>', 'what to run')
    .option('--timeout <seconds>', 'limit for the command', parseSeconds, 60)
    .option('--take', 'also while somebody else types: that session looks on from then', false)
    .option('--json', 'print one document, with exit code and output', false)
    .addHelpText('after', examples)
    .action(async (vm, words, options) => {
      const { runOnConsole } = await import('../actions/console-run.js');
      context.exitWith(await runOnConsole(context, vm, words, options));
    });
  return command as unknown as Command;
}
