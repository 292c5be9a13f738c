/** Runs a series of boots and shows how it goes. */
import { ExitCode, VsbError, exitCodeOf, messageOf } from '../base/errors.js';
import type { BootEvent } from '../contract/events.js';
import { instancePaths } from '../state/paths.js';
import { createInstanceDirectories } from '../state/private-folders.js';
import { findRoots } from '../state/roots.js';
import { bootOnce, takeDown } from './boot-once.js';
import { BusyLoops } from './busy-loops.js';
import { helpText, parseOptions, type BootsOptions } from './options.js';
import { Progress } from './progress.js';
import { seriesDocument, seriesLines } from './report.js';
import { reached, type Boot } from './series.js';

/** @returns the exit code of the command */
export async function runBoots(words: readonly string[]): Promise<number> {
  let options: BootsOptions;
  try {
    options = parseOptions(words);
  } catch (error) {
    process.stderr.write(`scripts/boots: ${messageOf(error)}\n`);
    return exitCodeOf(error);
  }
  if (options.help) {
    process.stdout.write(helpText);
    return ExitCode.ok;
  }
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () =>
      abort.abort(
        new VsbError(signal === 'SIGINT' ? 'E_INTERRUPTED' : 'E_TERMINATED', `ended by ${signal}`),
      ),
    );
  }
  const boots: Boot[] = [];
  const ended = await series(options, abort.signal, boots);
  process.stdout.write(
    options.json
      ? `${JSON.stringify(seriesDocument(options, boots), undefined, 2)}\n`
      : `${seriesLines(options, boots).join('\n')}\n`,
  );
  if (ended !== undefined) return exitCodeOf(ended);
  return reached(boots) === options.count ? ExitCode.ok : 1;
}

/** @returns why it has ended before its time */
async function series(options: BootsOptions, signal: AbortSignal, boots: Boot[]): Promise<unknown> {
  const roots = findRoots();
  const paths = instancePaths(options.name, roots);
  await createInstanceDirectories(paths, roots);
  await takeDown(options.name);
  const loops = new BusyLoops(options.loops);
  const progress = new Progress(process.stderr, options.count);
  try {
    for (let number = 1; number <= options.count; number++) {
      progress.begin(number);
      const onEvent = (event: BootEvent): void => progress.take(event);
      const boot = await bootOnce({ number, options, paths, signal, onEvent });
      boots.push(boot);
      progress.end(boot, reached(boots));
      if (boot.failure !== undefined && options.untilFailure) break;
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof VsbError)) throw error;
    process.stderr.write(`scripts/boots: ${error.message}\n`);
    return error;
  } finally {
    progress.stop();
    await loops.end();
  }
}
