/** `vsbypass doctor`: what this host has and lacks. */
import { Command } from '@commander-js/extra-typings';

import { ExitCode } from '../../errors/index.js';
import type { CliContext } from '../context.js';

const examples = `
Exit codes: 0 all is there, 3 something is missing.

Example:
  $ vsbypass doctor`;

export function doctorCommand(context: CliContext): Command {
  const command = new Command('doctor')
    .description('check this host: programs, QEMU, accelerator, memory, disk')
    .option('--config <file>', 'configuration instead of ./vsbypass.json')
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async ({ config: path, json }) => {
      const { loadConfig } = await import('../../config/load.js');
      const { inspectHost } = await import('../../host/checks.js');
      const { printJson, printLines } = await import('../output.js');
      const { findRoots, instancePaths } = await import('../../testbed/paths.js');
      const roots = findRoots();
      const report = await inspectHost({
        config: await loadConfig({ directory: process.cwd(), path }),
        cacheDir: roots.cache,
        stateDir: instancePaths(context.global.name, roots).stateDir,
        willBuild: true,
        signal: context.signal,
      });
      const ok = report.checks.every((check) => check.ok || !check.fatal);
      if (json) {
        printJson(context, { schemaVersion: 1, ok, ...report });
      } else {
        printLines(
          context,
          report.checks.flatMap((check) => [
            `${check.ok ? 'ok     ' : check.fatal ? 'MISSING' : 'missing'}  ${check.title}: ${check.found}`,
            ...(check.ok || check.hint === undefined ? [] : [`         ${check.hint}`]),
          ]),
        );
      }
      if (!ok) context.exitWith(ExitCode.host);
    });
  return command;
}
