/** `vsbypass l2`: what whoever studies the virtualized system needs. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';
import { shellCommand } from './layer-shell.js';

const shellExamples = `
Examples:
  $ vsbypass l2 shell                          a shell in the virtualized system, as its operator
  $ vsbypass l2 shell -- virsh list --all      one command; its exit code is the exit code
  $ vsbypass l2 shell 'dmesg | grep -i svm'    one word is a line for the shell there

A system of l2.disk lets us in where "l2": {"ssh": {"key": "FILE"}} says how.`;

const screenExamples = `
Examples:
  $ vsbypass l2 screen screen.png              the picture as it is now
  $ vsbypass l2 screen --vnc screen.sock &     VNC on a UNIX socket of this host, until it is ended

For a system of l2.disk with "l2": {"screen": true}.`;

export function l2Command(context: CliContext): Command {
  const command = new Command('l2')
    .description('the virtualized system: a shell in it, its screen')
    .addHelpText('after', shellExamples)
    .addCommand(shellCommand(context, 'l2', 'in the virtualized system', shellExamples));
  command
    .command('screen')
    .description("the picture of the virtualized system's graphics card")
    .argument('[file]', 'the PNG to write')
    .option('--vnc <file>', 'serve VNC there instead, a UNIX socket')
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', screenExamples)
    .action(async (file, { vnc, json }) => {
      const { serveScreen, writeScreen } = await import('../actions/screen.js');
      const { VsbError } = await import('../../base/errors.js');
      if ((file === undefined) === (vnc === undefined)) {
        throw new VsbError('E_USAGE', 'either a file for the picture, or --vnc with a socket');
      }
      if (vnc !== undefined) await serveScreen(context, vnc);
      else if (file !== undefined) await writeScreen(context, file, json);
    });
  return command;
}
