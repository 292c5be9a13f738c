/** Renders what happens during `up` and `build` on stderr: a spinner on a terminal, else plain lines. */
import type { Writable } from 'node:stream';

import { isSet } from '../../base/color.js';
import type { BootEvent, UpEvent } from '../../contract/events.js';
import { printableText } from '../../formats/ansi.js';
import { describeAccel } from './accel.js';

export interface Reporter {
  report(event: UpEvent): void;
  /** Leaves the terminal as it was. */
  stop(): void;
}

export interface ReporterOptions {
  readonly stream: Writable & { isTTY?: boolean; columns?: number };
  readonly env: NodeJS.ProcessEnv;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  if (options.quiet) return { report: () => undefined, stop: () => undefined };
  const dumb = options.env['TERM'] === 'dumb' || isSet(options.env['CI']);
  // A pseudo terminal that nobody gave a size has 0 columns; ora would clear lines for ever.
  const sized = (options.stream.columns ?? 0) > 0;
  if (options.stream.isTTY === true && sized && !dumb) {
    const { createSpinnerReporter } = await import('./spinner.js');
    return createSpinnerReporter(options);
  }
  return {
    report: (event) => {
      const line = describeEvent(event, options.verbose);
      if (line !== undefined) options.stream.write(`${line}\n`);
    },
    stop: () => undefined,
  };
}

/** What images/build says itself begins with it. */
const ownPrefix = 'images: ';

/** One line for an event, fit for a terminal whatever a layer has said; undefined where a plain log has nothing to say. */
export function describeEvent(event: UpEvent, verbose: boolean): string | undefined {
  const line = lineOf(event, verbose);
  return line === undefined ? undefined : printableText(line);
}

function lineOf(event: UpEvent, verbose: boolean): string | undefined {
  switch (event.type) {
    case 'accel':
      return describeAccel(event);
    case 'recovered':
      return event.what;
    case 'warm':
      return `saved state ${event.reason.replace('-', ' ')}: ${event.why}`;
    case 'build':
      return describeBuild(event, verbose);
    case 'phase':
      return describePhase(event, verbose);
  }
}

/** Lines of the package tools are for those who want to know. */
function describeBuild(
  event: Extract<UpEvent, { type: 'build' }>,
  verbose: boolean,
): string | undefined {
  switch (event.reason) {
    case 'started':
      return 'images: looking for what must be built';
    case 'progress':
      if (event.line.startsWith(ownPrefix)) return event.line;
      return verbose ? `${ownPrefix}${event.line}` : undefined;
    case 'passed':
      return `images: ready (${seconds(event.elapsedMs)})`;
  }
}

function describePhase(event: BootEvent, verbose: boolean): string | undefined {
  switch (event.reason) {
    case 'started':
      return verbose
        ? `${event.phase}: waiting for ${event.awaited}, at most ${seconds(event.limitMs)}`
        : undefined;
    case 'passed':
      return `${event.phase}: ready after ${seconds(event.elapsedMs)} (${seconds(event.totalMs)} in all)`;
    case 'stretched':
      return `${event.phase}: makes progress, and gets ${seconds(event.limitMs)}`;
    case 'failed':
      return `${event.phase}: failed after ${seconds(event.elapsedMs)}`;
  }
}

/** `12.3 s`. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
