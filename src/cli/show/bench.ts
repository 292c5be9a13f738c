/** Shows a benchmark on stderr: a table that is drawn again and again on a terminal, else plain lines. */
import type { Writable } from 'node:stream';

import type { BenchEvent } from '../../bench/events.js';
import { resultRows } from '../../bench/report/table.js';
import { printLinesTo, table } from '../output.js';
import { describeEvent, seconds } from './reporter.js';

export interface BenchReporter {
  report(this: void, event: BenchEvent): void;
  note(this: void, text: string): void;
  stop(this: void): void;
}

export interface BenchReporterOptions {
  readonly stderr: Writable & { isTTY?: boolean; columns?: number };
  readonly env: NodeJS.ProcessEnv;
}

export async function createBenchReporter(
  { stderr, env }: BenchReporterOptions,
  quiet: boolean,
): Promise<BenchReporter> {
  const nothing = (): void => undefined;
  if (quiet) return { report: nothing, note: nothing, stop: nothing };
  const live = stderr.isTTY === true && (stderr.columns ?? 0) > 0 && env['TERM'] !== 'dumb';
  if (!live) {
    const note = (text: string): void => printLinesTo(stderr, [text]);
    const report = (event: BenchEvent): void => {
      const line = lineOf(event);
      if (line !== undefined) note(line);
    };
    return { report, note, stop: nothing };
  }
  const { createLogUpdate } = await import('log-update');
  const screen = createLogUpdate(stderr);
  const note = (text: string): void => {
    screen.clear();
    printLinesTo(stderr, [text]);
  };
  return {
    note,
    stop: () => screen.done(),
    report: (event) => {
      if (event.type === 'turn') screen(picture(event).join('\n'));
      else {
        const line = lineOf(event);
        if (line !== undefined) note(line);
      }
    },
  };
}

/** What is known so far, what runs now, how long it still takes. */
export function picture(event: Extract<BenchEvent, { type: 'turn' }>): string[] {
  const rows = table(resultRows(event.results, true));
  return [...rows, '', `now ${event.what}; about ${minutes(event.remainingMs)} left`];
}

function lineOf(event: BenchEvent): string | undefined {
  switch (event.type) {
    case 'note':
      return event.text;
    case 'boot': {
      const line = describeEvent(event.event, false);
      return line === undefined ? undefined : `${event.stack}: ${line}`;
    }
    case 'turn': {
      const elapsed = seconds(event.results.seconds * 1000);
      return `${elapsed}: ${event.what} (about ${minutes(event.remainingMs)} left)`;
    }
    case 'failure':
      return `${event.what}: ${event.reason}`;
  }
}

function minutes(milliseconds: number): string {
  const all = Math.round(milliseconds / 1000);
  return all < 60 ? `${all} s` : `${Math.floor(all / 60)} min ${all % 60} s`;
}
