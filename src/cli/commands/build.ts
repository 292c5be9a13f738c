/** `vsbypass build`: builds the images that are missing, without starting anything. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
Examples:
  $ vsbypass build
  $ vsbypass build --refresh     with the newest versions of Debian's packages`;

export function buildCommand(context: CliContext): Command {
  const command = new Command('build')
    .description('build what the testbed boots: hypervisor and images')
    .option('--refresh', 'look for newer packages', false)
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async ({ refresh, json }) => {
      const { buildImages } = await import('../../build/images.js');
      const { createReporter } = await import('../../reporters/reporter.js');
      const { printJson, printLines, table } = await import('../output.js');
      const { findRoots } = await import('../../testbed/paths.js');
      const reporter = await createReporter({
        stream: context.stderr,
        env: context.env,
        quiet: context.global.quiet,
        verbose: context.global.verbose,
      });
      const start = performance.now();
      try {
        reporter.report({ type: 'build', reason: 'started' });
        const images = await buildImages({
          cacheDir: findRoots().cache,
          signal: context.signal,
          refresh,
          onProgress: (line) => reporter.report({ type: 'build', reason: 'progress', line }),
        });
        reporter.report({ type: 'build', reason: 'passed', elapsedMs: performance.now() - start });
        if (json) printJson(context, { schemaVersion: 1, images });
        else printLines(context, table(Object.entries(images)));
      } finally {
        reporter.stop();
      }
    });
  return command;
}
