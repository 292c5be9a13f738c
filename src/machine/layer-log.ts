/**
 * What one layer prints: goes to its log, keeps the last lines for error messages, and finds marker
 * lines, also those that came before anyone asked.
 */
import { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';

import { abortable } from '../base/abortable.js';
import { BoundedLines } from '../base/bounded-lines.js';
import { RotatingLog } from '../state/logs/rotating-log.js';

/** What an error message shows. */
const keptLines = 20;

interface Events {
  line: [string];
  /** More of a line that has not ended. */
  unfinished: [string];
}

interface Search {
  test(line: string): boolean;
  /** Whether a line that has not ended counts, too: a prompt never does. */
  readonly unfinished: boolean;
  seen: string | undefined;
}

export class LayerLog extends EventEmitter<Events> {
  readonly #file: RotatingLog;
  readonly #last: string[] = [];
  readonly #searches: Search[] = [];
  readonly #lines = new BoundedLines();
  #bytes = 0;

  constructor(file: RotatingLog) {
    super();
    this.setMaxListeners(0);
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  /** How much it has said. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The newest lines, at most 20, the unfinished one last. */
  lastLines(): string[] {
    const { partial } = this.#lines;
    return (partial === '' ? this.#last : [...this.#last, partial]).slice(-keptLines);
  }

  /** Takes all that comes from there. */
  readFrom(stream: Readable): void {
    stream.on('data', (chunk: Buffer) => this.push(chunk));
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    // Consoles speak ASCII here; markers do for certain. Other bytes go to the log as they are.
    const lines = this.#lines.push(chunk.toString('latin1'));
    this.#file.write(lines);
    this.#last.push(...lines.slice(-keptLines));
    this.#last.splice(0, this.#last.length - keptLines);
    for (const line of lines) {
      this.#look(line, () => true);
      this.emit('line', line);
    }
    const { partial } = this.#lines;
    if (partial === '') return;
    this.#look(partial, ({ unfinished }) => unfinished);
    this.emit('unfinished', partial);
  }

  #look(line: string, concerns: (search: Search) => boolean): void {
    for (const search of this.#searches) {
      if (search.seen === undefined && concerns(search) && search.test(line)) search.seen = line;
    }
  }

  /**
   * Remembers the first line that passes the test, from now on; the returned function waits for it.
   * Taken before the lines can come, so that a late waiter finds what has passed already.
   */
  expect(
    test: (line: string) => boolean,
    { unfinished = false } = {},
  ): (signal: AbortSignal) => Promise<string> {
    const search: Search = { test, unfinished, seen: undefined };
    this.#searches.push(search);
    return async (signal) => {
      signal.throwIfAborted();
      if (search.seen !== undefined) return search.seen;
      return await abortable<string>(
        (resolve) => {
          const onLine = (): void => {
            if (search.seen !== undefined) resolve(search.seen);
          };
          this.on('line', onLine).on('unfinished', onLine);
          return () => this.off('line', onLine).off('unfinished', onLine);
        },
        { signal },
      );
    };
  }

  /** What is left of an unfinished line goes to the log. */
  close(): void {
    const { partial } = this.#lines;
    if (partial !== '') this.#file.write([partial]);
    this.#file.close();
  }
}

/** What a layer printed at the boot before stays as `.1`. */
export function freshLog(path: string): LayerLog {
  return new LayerLog(new RotatingLog(path, { encoding: 'latin1', fresh: true }));
}

/** The same log as before, where a testbed is taken over. */
export function keptLog(path: string): LayerLog {
  return new LayerLog(new RotatingLog(path, { encoding: 'latin1' }));
}
