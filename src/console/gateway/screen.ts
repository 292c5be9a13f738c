/**
 * What a terminal would show now, had it seen all output that is kept: a headless terminal replays the
 * history and its screen is sent instead. So an escape sequence that the ring has cut, a full-screen program
 * or an old question to the terminal does no harm to a client that attaches late.
 */
import { Worker } from 'node:worker_threads';

import { VsbError } from '../../base/errors.js';
import type { ScreenSize } from '../../base/terminal-size.js';
import { RESET } from '../reset.js';
import { Turns } from './turns.js';

/** Lines above the screen that are sent too. */
const SCROLLBACK = 1000;
/**
 * What a screen is drawn on: the normal screen, with the modes of a terminal that was left alone. Without it, it
 * would be drawn with whatever the VM's programs have switched on the user's terminal.
 */
const LEFT_ALONE = `\x1b[?47l${RESET}\x1b)B\x1b[4l\x1b[?6l\x1b[?45l\x1b[?7h`;
/** How long it may take, milliseconds: a VM can print what keeps a terminal busy for ever. */
const LIMIT_MS = 5000;
/** How long a console rests that could not be drawn, milliseconds: the others wait as long as each attempt takes. */
const REST_MS = 60_000;
/** Longest result, characters. */
const MAX_TEXT = 4 * 1024 * 1024;
/** Memory of the thread, MiB. */
const HEAP_MIB = 128;
/** An unused thread is ended after this time, milliseconds. */
const IDLE_MS = 20_000;

export class ScreenRenderer {
  readonly #limitMs: number;
  #worker: Worker | undefined;
  #nextId = 0;
  readonly #turns = new Turns();
  /** Why a console could not be drawn, and until when it rests, by performance.now(). */
  readonly #failures = new WeakMap<object, { readonly error: unknown; readonly until: number }>();
  #idle: NodeJS.Timeout | undefined;

  constructor(limitMs = LIMIT_MS) {
    this.#limitMs = limitMs;
  }

  /**
   * The screen, and the lines above it, as text for a terminal of that size. What the terminal shows
   * before is scrolled away, not erased. Consoles are drawn by turns; one that could not be drawn is not tried again
   * for a minute, and fails as it did.
   *
   * @param history whose screen it is
   * @param takeBytes called when it is drawn: many who wait need not keep a copy each
   * @throws VsbError E_DEADLINE when the output keeps the terminal too busy, E_CONSOLE_REFUSED when it fails; and
   *   what takeBytes throws
   */
  async render(history: object, takeBytes: () => Buffer, size: ScreenSize): Promise<Buffer> {
    const text = await this.#turns.run(history, async () => {
      const failure = this.#failures.get(history);
      if (failure !== undefined && performance.now() < failure.until) throw failure.error;
      const bytes = takeBytes();
      try {
        return await this.#ask(bytes, size);
      } catch (error) {
        this.#failures.set(history, { error, until: performance.now() + REST_MS });
        throw error;
      }
    });
    // From the last line on (a terminal keeps the cursor within its screen), so that all of it is scrolled away.
    const blank = `\x1b[999;1H${'\r\n'.repeat(size.rows)}\x1b[H\x1b[J`;
    return Buffer.from(`${LEFT_ALONE}${blank}${text}`);
  }

  close(): void {
    this.#end();
  }

  async #ask(bytes: Buffer, { columns, rows }: ScreenSize): Promise<string> {
    clearTimeout(this.#idle);
    const worker = this.#start();
    const id = this.#nextId++;
    try {
      return await new Promise<string>((resolve, reject) => {
        const fail = (code: 'E_DEADLINE' | 'E_CONSOLE_REFUSED', message: string): void => {
          settle();
          this.#end();
          reject(new VsbError(code, message, { layer: 'console' }));
        };
        const timer = setTimeout(() => {
          const seconds = this.#limitMs / 1000;
          fail('E_DEADLINE', `the screen could not be drawn within ${seconds} s`);
        }, this.#limitMs);
        const onMessage = (answer: { id: number; text: string }): void => {
          if (answer.id !== id) return;
          if (answer.text.length > MAX_TEXT) {
            fail('E_CONSOLE_REFUSED', 'the screen is too large to be sent');
            return;
          }
          settle();
          resolve(answer.text);
        };
        const onEnd = (): void => fail('E_CONSOLE_REFUSED', 'the screen cannot be drawn');
        const settle = (): void => {
          clearTimeout(timer);
          worker.off('message', onMessage).off('error', onEnd).off('exit', onEnd);
        };
        worker.on('message', onMessage).on('error', onEnd).on('exit', onEnd);
        worker.postMessage({ id, bytes, columns, rows, scrollback: SCROLLBACK });
      });
    } finally {
      this.#idle = setTimeout(() => this.#end(), IDLE_MS).unref();
    }
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL('./screen-worker.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
    });
    worker.unref();
    worker.on('error', () => {
      // Whoever waits for it is told by a listener of its own.
    });
    this.#worker = worker;
    return worker;
  }

  #end(): void {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }
}
