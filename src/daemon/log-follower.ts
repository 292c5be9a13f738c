/**
 * Follows a log that QEMU writes, from its beginning: keeps the last lines for error messages and
 * finds marker lines, also those that came before anyone asked.
 */
import { watch, type FSWatcher } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { EventEmitter } from 'node:events';

/** What an error message shows. */
const keptLines = 20;
/** Beyond it a line is cut: a guest may print without line feeds. */
const maximumLineLength = 4096;
/** The watcher's events can be lost (inotify queue); then the next look is at most this late. */
const safetyIntervalMs = 1000;

interface Events {
  line: [string];
}

export class LogFollower extends EventEmitter<Events> {
  readonly path: string;
  readonly #last: string[] = [];
  readonly #searches: { test(line: string): unknown; seen: string | undefined }[] = [];
  #file: FileHandle | undefined;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #position = 0;
  #partial = '';
  #reading = false;
  #again = false;
  #closed = false;

  /** Starts at the beginning of a file that exists, or at a position in it (bytes). */
  static async open(path: string, position = 0): Promise<LogFollower> {
    const follower = new LogFollower(path);
    follower.#position = position;
    follower.#file = await open(path, 'r');
    follower.#watcher = watch(path, () => void follower.#read());
    follower.#timer = setInterval(() => void follower.#read(), safetyIntervalMs).unref();
    void follower.#read();
    return follower;
  }

  private constructor(path: string) {
    super();
    this.setMaxListeners(0);
    this.path = path;
  }

  /** The newest lines, at most 20, the unfinished one last. */
  lastLines(): string[] {
    const lines = this.#partial === '' ? this.#last : [...this.#last, this.#partial];
    return lines.slice(-keptLines);
  }

  /**
   * Remembers the first line that passes the test, from now on; the returned function waits for it.
   * Taken before the lines can come, so that a late waiter finds what has passed already.
   */
  expect(test: (line: string) => boolean): (signal: AbortSignal) => Promise<string> {
    const search: { test(line: string): unknown; seen: string | undefined } = {
      test,
      seen: undefined,
    };
    this.#searches.push(search);
    return async (signal) => {
      signal.throwIfAborted();
      if (search.seen !== undefined) return search.seen;
      return await new Promise<string>((resolve, reject) => {
        const done = (): void => {
          this.off('line', onLine);
          signal.removeEventListener('abort', onAbort);
        };
        const onLine = (): void => {
          if (search.seen === undefined) return;
          done();
          resolve(search.seen);
        };
        const onAbort = (): void => {
          done();
          reject(signal.reason as Error);
        };
        this.on('line', onLine);
        signal.addEventListener('abort', onAbort, { once: true });
      });
    };
  }

  /** Reads what has been written so far, whether or not the watcher has told. */
  async catchUp(): Promise<void> {
    while (this.#reading) await new Promise((resolve) => setImmediate(resolve));
    await this.#read();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher?.close();
    clearInterval(this.#timer);
    await this.#file?.close().catch(() => undefined);
  }

  async #read(): Promise<void> {
    this.#again = true;
    if (this.#reading) return;
    this.#reading = true;
    const chunk = Buffer.alloc(65_536);
    try {
      while (this.#again && !this.#closed && this.#file !== undefined) {
        this.#again = false;
        const { bytesRead } = await this.#file.read(chunk, 0, chunk.length, this.#position);
        if (bytesRead === 0) continue;
        this.#position += bytesRead;
        this.#again = true;
        // Consoles speak ASCII here; markers do for certain.
        this.#take(chunk.toString('latin1', 0, bytesRead));
      }
    } catch {
      // Closed while reading.
    } finally {
      this.#reading = false;
    }
  }

  #take(text: string): void {
    const parts = (this.#partial + text).split('\n');
    this.#partial = (parts.pop() ?? '').slice(0, maximumLineLength);
    for (const part of parts) {
      const line = part.replace(/\r+$/, '').slice(0, maximumLineLength);
      this.#last.push(line);
      if (this.#last.length > keptLines) this.#last.shift();
      for (const search of this.#searches) {
        if (search.seen === undefined && search.test(line) === true) search.seen = line;
      }
      this.emit('line', line);
    }
  }
}
