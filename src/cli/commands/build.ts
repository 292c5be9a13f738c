/** `vsbypass build`: builds the images that are missing, without starting anything. */
import { Command, Option } from '@commander-js/extra-typings';

import type { Config, L2Kind } from '../../config/schema.js';
import type { AccelDecision } from '../../host/accel.js';
import type { MadeState } from '../../instance/make-state.js';
import type { CliContext } from '../context.js';
import { accelOption, cpuOption, l2Kinds } from '../options.js';
import type { Reporter } from '../show/reporter.js';

const examples = `
Examples:
  $ vsbypass build
  $ vsbypass build --l2 xen      only what a testbed with Xen as L2 needs
  $ vsbypass build --offline     without a network: an error for what is not in the cache
  $ vsbypass build --cpu intel   what a testbed on VMX needs, too
  $ vsbypass build --key         the name of a cache in a pipeline
  $ vsbypass build --state       also the saved state with which the first \`up\` begins: it boots once
  $ vsbypass build --state --key the name of a cache that has the state, too
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
    .option('--state', 'also make the state that `up` begins with, for the configuration', false)
    .option('--config <file>', 'with --state: configuration instead of ./vsbypass.json')
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', examples)
    .action(async (options) => {
      const { l2, cpu, accel: choice, refresh, offline, key, state, config: file, json } = options;
      const { loadConfig } = await import('../../config/load.js');
      const config = state
        ? await loadConfig({
            ...{ directory: process.cwd(), path: file },
            ...{ l2Kind: l2, cpu, accel: choice },
          })
        : undefined;
      const bochs = choice === 'bochs' || (cpu === 'intel' && choice !== 'kvm');
      const accel = bochs ? 'bochs' : 'tcg';
      // A state is of one kind.
      const kind = l2 ?? config?.l2.kind;
      const kinds = kind !== undefined ? [kind] : l2Kinds;
      const what = config === undefined ? undefined : await stateOf(config, context.signal);
      if (key) return await printKey(context, kinds, what, json);
      const { buildImages, imageNames } = await import('../../images/build.js');
      const { createReporter } = await import('../show/reporter.js');
      const { printJson, printLines, table } = await import('../output.js');
      const { findRoots } = await import('../../state/roots.js');
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
        const made = what === undefined ? undefined : await makeStateOf(context, what, reporter);
        reporter.stop();
        if (json) {
          const rest = made === undefined ? {} : { state: made };
          printJson(context, { schemaVersion: 1, images, ...rest });
        } else {
          const rows = Object.entries(images);
          if (made !== undefined) rows.push(['state', made.key]);
          printLines(context, table(rows));
        }
      } finally {
        reporter.stop();
      }
    });
  return command;
}

/** What a state is made of, beside images. */
interface StateInputs {
  readonly config: Config;
  readonly accel: AccelDecision;
}

/** Asked first: nothing is built for a state that cannot be kept. */
async function stateOf(config: Config, signal: AbortSignal): Promise<StateInputs> {
  const { stateAccel } = await import('../../instance/make-state.js');
  return { config, accel: await stateAccel(config, signal) };
}

async function makeStateOf(
  context: CliContext,
  { config, accel }: StateInputs,
  reporter: Reporter,
): Promise<MadeState> {
  const { buildImages } = await import('../../images/build.js');
  const { makeState } = await import('../../instance/make-state.js');
  const { findRoots } = await import('../../state/roots.js');
  const roots = findRoots();
  const { signal } = context;
  // They were built just now.
  const images = await buildImages(config.l2.kind, {
    ...{ cacheDir: roots.cache, signal, offline: true, onProgress: () => undefined },
  });
  const report: Reporter['report'] = (event) => reporter.report(event);
  return await makeState({ roots, config, accel, images, signal, report });
}

async function printKey(
  context: CliContext,
  kinds: readonly L2Kind[],
  state: StateInputs | undefined,
  json: boolean,
): Promise<void> {
  const { contentKey } = await import('../../images/key.js');
  const { printJson, printLines } = await import('../output.js');
  const { signal } = context;
  const images = await contentKey({ kinds, signal });
  const key = state === undefined ? images : await stateKey(state, images);
  if (json) printJson(context, { schemaVersion: 1, key });
  else printLines(context, [key]);
}

/** Of images and state together: the images by what decides them, since they need not be there yet. */
async function stateKey({ config, accel }: StateInputs, images: string): Promise<string> {
  const { bindingOf } = await import('../../machine/saved/binding.js');
  const { sharedKey } = await import('../../machine/saved/shared.js');
  return sharedKey(
    await bindingOf({ config, accel, images: { xen: images, l1: images, l2: images } }),
  );
}
