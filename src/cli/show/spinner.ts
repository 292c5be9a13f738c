/** The reporter for a terminal: one line that shows phase, elapsed time and limit. */
import chalk from 'chalk';
import ora from 'ora';

import { wantsColor } from '../../base/color.js';
import type { UpEvent } from '../../contract/events.js';
import { describeEvent, seconds, type Reporter, type ReporterOptions } from './reporter.js';

const refreshMs = 250;

const limitText = (limitMs: number): string => ` of ${(limitMs / 1000).toFixed(0)} s`;

export function createSpinnerReporter(options: ReporterOptions): Reporter {
  // ora colours through the same chalk; NO_COLOR is not its concern.
  if (!wantsColor(options.stream, options.env)) chalk.level = 0;
  // Ctrl-C must reach the command, which has things to clean up: ora must not swallow it.
  const spinner = ora({
    stream: options.stream,
    discardStdin: false,
  });
  let started = performance.now();
  let what = '';
  let limit = '';
  const timer = setInterval(() => {
    spinner.text = `${what} ${chalk.dim(`${seconds(performance.now() - started)}${limit}`)}`;
  }, refreshMs).unref();
  const begin = (text: string, limitMs?: number): void => {
    started = performance.now();
    what = text;
    limit = limitMs === undefined ? '' : limitText(limitMs);
    spinner.start(text);
  };
  return {
    report: (event: UpEvent) => {
      const line = describeEvent(event, true) ?? '';
      if (event.type === 'accel') {
        spinner.info(line);
      } else if (event.type === 'warm') {
        spinner.info(line);
      } else if (event.type === 'recovered') {
        spinner.warn(line);
      } else if (event.reason === 'started') {
        if (event.type === 'phase') {
          begin(`${chalk.bold(event.phase)} waiting for ${event.awaited}`, event.limitMs);
        } else {
          begin(line);
        }
      } else if (event.reason === 'progress') {
        what = line;
      } else if (event.reason === 'stretched') {
        limit = limitText(event.limitMs);
      } else if (event.reason === 'passed') {
        spinner.succeed(line);
      } else {
        spinner.fail(line);
      }
    },
    stop: () => {
      clearInterval(timer);
      spinner.stop();
    },
  };
}
