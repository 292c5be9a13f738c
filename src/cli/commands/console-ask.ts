/** `vsbypass console who` and `break`: what can be asked of a console without opening it. */
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';
import { keyOptions } from './console-key-options.js';

export function whoCommand(context: CliContext): Command {
  const command = keyOptions(new Command('who'))
    .description('who is at the console of a VM, and who types')
    .argument('<vm>', 'name of the VM')
    .option('--json', 'print a document', false)
    .addHelpText('after', '\nExample:\n  $ vsbypass console who vm1')
    .action(async (vm, options) => {
      const { askConsole } = await import('../actions/console-ask.js');
      await askConsole(context, vm, options.json ? 'who json' : 'who', options);
    });
  return command as unknown as Command;
}

const breakExamples = `
The BREAK arrives in the VM's serial port as on a real line. With --sysrq Linux takes the key that follows it
as a SysRq command (h lists them), if it was built and set up for it.

Examples:
  $ vsbypass console break vm1
  $ vsbypass console break vm1 --sysrq t        Linux lists its tasks on the console`;

export function breakCommand(context: CliContext): Command {
  const command = keyOptions(new Command('break'))
    .description("send a BREAK to a VM's serial line")
    .argument('<vm>', 'name of the VM')
    .option('--sysrq <key>', 'type this key after it', parseKey)
    .option('--take', 'also while somebody else types: that session looks on from then', false)
    .addHelpText('after', breakExamples)
    .action(async (vm, options) => {
      const { askConsole } = await import('../actions/console-ask.js');
      const words = [
        ...(options.take ? ['take'] : []),
        ...(options.sysrq === undefined ? [] : [options.sysrq]),
      ];
      await askConsole(context, vm, ['break', ...words].join(' '), options);
    });
  return command as unknown as Command;
}

function parseKey(value: string): string {
  if (/^[!-~]$/.test(value)) return value;
  throw new InvalidArgumentError('One key: a printable ASCII character.');
}
