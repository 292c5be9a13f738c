/** `vsbypass build`: builds the images that are missing, without starting anything. */
import { Command, Option } from '@commander-js/extra-typings';

import type { L2Kind } from '../../config/schema.js';
import type { CliContext } from '../context.js';
import { accelOption, cpuOption, l2Kinds } from '../options.js';

const examples = `
Examples:
  $ vsbypass build
  $ vsbypass build --l2 xen      only what a testbed with Xen as L2 needs
  $ vsbypass build --offline     without a network: an error for what is not in the cache
  $ vsbypass build --cpu intel   what a testbed on VMX needs, too
  $ vsbypass build --key         the name of a cache in a pipeline
  $ vsbypass build --refresh     with the newest versions of Debian's packages`;

export function buildCommand(context: CliContext): Command {
  const command = new Command('build')
    .description('build what the testbed boots: hypervisor and images')
    .addOption(
      new Option('--l2 <kind>', 'only what this virtualized system needs').choices(l2Kinds),
    )
    .addOption(
      new Option('--refresh', 'look for newer packages').conflicts('offline').default(false),
    )
    .addOption(cpuOption())
    .addOption(accelOption())
    .option('--offline', 'fetch nothing', false)
    .addOption(
      new Option('--key', 'build nothing, print a hash of all that decides what is built')
        .conflicts('refresh')
        .default(false),
    )
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async ({ l2, cpu, accel: choice, refresh, offline, key, json }) => {
      // Bochs runs no L2 but this one.
      const bochs = choice === 'bochs' || (cpu === 'intel' && choice !== 'kvm');
      const accel = bochs ? 'bochs' : 'tcg';
      const kinds = l2 !== undefined ? [l2] : bochs ? (['kvm'] as const) : l2Kinds;
      if (key) return await printKey(context, kinds, json);
      const { buildImages, imageNames } = await import('../../images/build.js');
      const { createReporter } = await import('../show/reporter.js');
      const { printJson, printLines, table } = await import('../output.js');
      const { findRoots } = await import('../../state/paths.js');
      const reporter = await createReporter({
        stream: context.stderr,
        env: context.env,
        quiet: context.global.quiet,
        verbose: context.global.verbose,
      });
      const start = performance.now();
      try {
        reporter.report({ type: 'build', reason: 'started' });
        const images: Record<string, string> = {};
        for (const kind of kinds) {
          const names = imageNames(kind, accel);
          const directories = await buildImages(kind, {
            accel,
            cacheDir: findRoots().cache,
            signal: context.signal,
            // The second kind uses what was resolved for the first.
            refresh: refresh && kind === kinds[0],
            offline,
            onProgress: (line) => reporter.report({ type: 'build', reason: 'progress', line }),
          });
          for (const part of ['xen', 'l1', 'l2', 'bochs'] as const) {
            const [image, directory] = [names[part], directories[part]];
            if (image !== undefined && directory !== undefined) images[image] = directory;
          }
        }
        reporter.report({ type: 'build', reason: 'passed', elapsedMs: performance.now() - start });
        if (json) printJson(context, { schemaVersion: 1, images });
        else printLines(context, table(Object.entries(images)));
      } finally {
        reporter.stop();
      }
    });
  return command;
}

async function printKey(
  context: CliContext,
  kinds: readonly L2Kind[],
  json: boolean,
): Promise<void> {
  const { contentKey } = await import('../../images/key.js');
  const { printJson, printLines } = await import('../output.js');
  const key = await contentKey({ kinds, signal: context.signal });
  if (json) printJson(context, { schemaVersion: 1, key });
  else printLines(context, [key]);
}
