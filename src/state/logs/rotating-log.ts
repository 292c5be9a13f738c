/**
 * A log of bounded size: each line with its time; when the file is full it becomes `.1`, and the
 * oldest one goes. Layers below us are hostile and print what they like: they must not fill the disk.
 * A disk that is full costs lines, nothing else; how many is said as soon as there is room again.
 *
 * Writing is synchronous: lines come in order, rotation is never seen half-done, and nothing is lost
 * when the process ends.
 */
import { closeSync, openSync, renameSync, rmSync, fstatSync, writeSync } from 'node:fs';

import { errnoOf } from '../../base/errors.js';
import { logFiles, stampLine } from './files.js';

export interface RotatingLogOptions {
  /** Bytes of one file, default 4 MiB; with the older ones a log takes four times as much. */
  readonly maximumBytes?: number;
  /** How characters become bytes: what guests print is latin1, what we say ourselves utf8. */
  readonly encoding: 'latin1' | 'utf8';
  /** Begins with an empty file; what was written before is the first of the older ones. */
  readonly fresh?: boolean;
}

const defaultMaximumBytes = 4 * 1024 * 1024;

export class RotatingLog {
  readonly path: string;
  readonly #maximumBytes: number;
  readonly #encoding: 'latin1' | 'utf8';
  #descriptor: number | undefined;
  #bytes = 0;
  #lostLines = 0;

  constructor(path: string, options: RotatingLogOptions) {
    this.path = path;
    this.#maximumBytes = options.maximumBytes ?? defaultMaximumBytes;
    this.#encoding = options.encoding;
    try {
      this.#open();
      if (options.fresh === true && this.#bytes > 0) this.#rotate();
    } catch {
      this.#descriptor = undefined; // The next line tries again.
    }
  }

  /** Lines that could not be written and have not been told of. */
  get lostLines(): number {
    return this.#lostLines;
  }

  write(lines: readonly string[], time = new Date()): void {
    if (lines.length === 0) return;
    const told =
      this.#lostLines === 0
        ? lines
        : [`vsbypass: ${this.#lostLines} lines could not be written here`, ...lines];
    const text = told.map((line) => `${stampLine(line, time)}\n`).join('');
    try {
      this.#append(Buffer.from(text, this.#encoding));
      this.#lostLines = 0;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      this.#lostLines += lines.length;
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #append(bytes: Buffer): void {
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maximumBytes) this.#rotate();
    const descriptor = this.#descriptor ?? this.#open();
    for (let done = 0; done < bytes.length;) {
      const written = writeSync(descriptor, bytes, done);
      done += written;
      this.#bytes += written;
    }
  }

  #open(): number {
    this.#descriptor = openSync(this.path, 'a', 0o600);
    this.#bytes = fstatSync(this.#descriptor).size;
    return this.#descriptor;
  }

  #rotate(): void {
    this.close();
    const [oldest, ...others] = logFiles(this.path);
    if (oldest === undefined) return;
    rmSync(oldest, { force: true });
    let target = oldest;
    for (const file of others) {
      renameIfThere(file, target);
      target = file;
    }
    this.#open();
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
