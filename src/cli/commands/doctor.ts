/** `vsbypass doctor`: what this host has and lacks. */
import { Command } from '@commander-js/extra-typings';

import { ExitCode } from '../../base/errors.js';
import type { CliContext } from '../context.js';
import { accelOption, cpuOption } from '../options.js';

const examples = `
Each check ends as pass, warn (slower, or of matter later), fail (up cannot work) or skip; what helps stands below it.
Exit codes: 0 nothing failed, 3 something did.

Examples:
  $ vsbypass doctor
  $ vsbypass doctor --accel kvm      fails unless KVM can be used, and says what to do
  $ vsbypass doctor --cpu intel      what a testbed on VMX needs`;

export function doctorCommand(context: CliContext): Command {
  const command = new Command('doctor')
    .description('check this host: programs, QEMU, KVM, memory, disk, limits, instances, images')
    .option('--config <file>', 'configuration instead of ./vsbypass.json')
    .addOption(accelOption())
    .addOption(cpuOption())
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async ({ config: path, accel, cpu, json }) => {
      const { loadConfig } = await import('../../config/load.js');
      const { inspectHost } = await import('../../host/checks.js');
      const { printJson, printLines } = await import('../output.js');
      const { instancePaths } = await import('../../state/paths.js');
      const { findRoots } = await import('../../state/roots.js');
      const { diagnose } = await import('../../instance/diagnose.js');
      const roots = findRoots();
      const config = await loadConfig({ directory: process.cwd(), path, accel, cpu });
      const report = await inspectHost({
        config,
        cacheDir: roots.cache,
        stateDir: instancePaths(context.global.name, roots).stateDir,
        willBuild: () => Promise.resolve(true),
        signal: context.signal,
      });
      const checks = [
        ...report.checks,
        ...(await diagnose({ config, name: context.global.name, roots, signal: context.signal })),
      ];
      const ok = checks.every(({ result }) => result !== 'fail');
      if (json) {
        printJson(context, { schemaVersion: 1, ok, ...report, checks });
      } else {
        printLines(
          context,
          checks.flatMap(({ result, title, found, remedy }) => [
            `${result}  ${title}: ${found}`,
            ...(remedy === undefined || result === 'pass' ? [] : [`      ${remedy}`]),
          ]),
        );
      }
      if (!ok) context.exitWith(ExitCode.host);
    });
  return command;
}
