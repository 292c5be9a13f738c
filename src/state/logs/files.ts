/** The files of a log: `name` is written, `name.1` to `name.3` are older, `name.3` the oldest. */
import { readIfThere } from '../../base/files.js';

/** Files kept beside the one that is written. */
export const olderFiles = 3;

/** All files of a log that may exist, the oldest first. */
export function logFiles(path: string): string[] {
  const older = Array.from({ length: olderFiles }, (_, index) => `${path}.${olderFiles - index}`);
  return [...older, path];
}

export interface LogLine {
  /** Milliseconds since 1970; undefined where a line carries no time. */
  readonly time: number | undefined;
  readonly text: string;
}

/** What a line in a log begins with: an ISO 8601 time, UTC, and a space. */
const stamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) /;

export function stampLine(text: string, time: Date): string {
  return `${time.toISOString()} ${text}`;
}

export function parseLine(line: string): LogLine {
  const time = stamp.exec(line)?.[1];
  return time === undefined
    ? { time: undefined, text: line }
    : { time: Date.parse(time), text: line.slice(time.length + 1) };
}

/**
 * All that is kept of a log, in the order of writing. Bytes become characters one to one (latin1).
 *
 * @throws VsbError E_FILE
 */
export async function readLog(path: string): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for (const file of logFiles(path)) {
    const content = (await readIfThere(file))?.toString('latin1') ?? '';
    const parts = content.split('\n');
    if (parts.at(-1) === '') parts.pop();
    lines.push(...parts.map(parseLine));
  }
  return lines;
}
