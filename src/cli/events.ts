/** `--events`: what happens, one JSON document a line on stdout. */
import { jsonText } from '../base/json.js';
import type { StreamEvent } from '../contract/event-stream.js';
import type { CliContext } from './context.js';
import type { Reporter } from './show/reporter.js';

export function printEvent(context: CliContext, event: StreamEvent): void {
  const line = jsonText({ schemaVersion: 1, time: new Date().toISOString(), ...event });
  context.stdout.write(`${line}\n`);
}

export function eventReporter(context: CliContext): Reporter {
  return { report: (event) => printEvent(context, event), stop: () => undefined };
}
