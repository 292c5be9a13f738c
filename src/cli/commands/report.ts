/** `vsbypass report`: one archive to attach to a bug report. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const about = `
The archive has the state of the instance, its configuration, what \`doctor\` finds, and the logs of daemon, QEMU, L1 and L2.
Passwords, password hashes and private keys are left out; what user VMs show on their secure consoles is written nowhere.
What is in it is listed: look at it before you give it away.

Examples:
  $ vsbypass report
  $ vsbypass report /tmp/report.tar.gz`;

export function reportCommand(context: CliContext): Command {
  const command = new Command('report')
    .description('make one redacted archive for a bug report')
    .argument('[file]', 'path of the archive (default vsbypass-<instance>-<time>.tar.gz here)')
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', about)
    .action(async (file, { json }) => {
      const { makeReport } = await import('../actions/report.js');
      await makeReport(context, file, json);
    });
  return command as unknown as Command;
}
