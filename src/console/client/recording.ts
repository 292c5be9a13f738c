/**
 * Records a session as an asciicast (version 2, docs.asciinema.org/manual/asciicast/v2): JSON lines, a header
 * and then `[seconds, "o", text]`. What is typed (`"i"`) is only there when that was asked for: it has
 * passwords in it.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { StringDecoder } from 'node:string_decoder';

import { errnoOf, VsbError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import type { ScreenSize } from '../../base/terminal-size.js';

export interface RecordingOptions {
  readonly path: string;
  readonly title: string;
  readonly size: ScreenSize;
  readonly input: boolean;
  readonly term: string | undefined;
  /** Called once if the file can be written no further. What comes then is not recorded. */
  readonly onFailure: (error: VsbError) => void;
}

export class Recording {
  readonly #file: WriteStream;
  readonly #start = performance.now();
  readonly #output = new StringDecoder('utf8');
  readonly #input: StringDecoder | undefined;
  #failure: VsbError | undefined;

  /**
   * Creates the file, mode 0600.
   * @throws VsbError E_FILE, E_NO_SPACE when that cannot be, also when there is one already
   */
  static async start(options: RecordingOptions): Promise<Recording> {
    const file = createWriteStream(options.path, { flags: 'wx', mode: 0o600 });
    try {
      await once(file, 'open');
    } catch (error) {
      const what = `cannot record to ${options.path}`;
      if (errnoOf(error) !== 'EEXIST') throw fileError(what, error);
      throw new VsbError('E_FILE', `${what}: it is there already`, { cause: error });
    }
    return new Recording(file, options);
  }

  private constructor(file: WriteStream, options: RecordingOptions) {
    const { path, title, size, input, term, onFailure } = options;
    this.#file = file;
    this.#input = input ? new StringDecoder('utf8') : undefined;
    file.on('error', (error) => {
      this.#failure = fileError(`the recording ${path} is not complete`, error);
      onFailure(this.#failure);
    });
    const header = {
      ...{ version: 2, width: size.columns, height: size.rows },
      ...{ timestamp: Math.floor(Date.now() / 1000), title },
      ...(term === undefined ? {} : { env: { TERM: term } }),
    };
    this.#file.write(`${JSON.stringify(header)}\n`);
  }

  output(bytes: Buffer): void {
    this.#event('o', this.#output.write(bytes));
  }

  /** What was typed; left out unless that was asked for. */
  typed(bytes: Buffer): void {
    if (this.#input !== undefined) this.#event('i', this.#input.write(bytes));
  }

  resize({ columns, rows }: ScreenSize): void {
    this.#event('r', `${columns}x${rows}`);
  }

  /** @throws VsbError E_FILE, E_NO_SPACE when not all of it could be written */
  async close(): Promise<void> {
    // A stream that has failed is closed already, or soon, by itself.
    if (!this.#file.closed) {
      await new Promise<void>((resolve) => {
        this.#file.once('close', () => resolve());
        this.#file.end();
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #event(type: 'o' | 'i' | 'r', text: string): void {
    if (text === '' || this.#failure !== undefined) return;
    const seconds = Math.round((performance.now() - this.#start) * 1000) / 1_000_000;
    this.#file.write(`${JSON.stringify([seconds, type, text])}\n`);
  }
}
