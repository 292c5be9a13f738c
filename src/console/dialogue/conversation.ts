/** A program's side of a talk with a console: what it sends, and what it waits for, each with a deadline. */
import { VsbError } from '../../base/errors.js';
import { ExpectBuffer, type ExpectOptions } from './expect.js';
import { Secrets } from './secrets.js';

/** Lines of the transcript in the report of a failure. */
const LAST_LINES = 20;

/** The console that is talked to. */
export interface ScriptPeer {
  /** Calls back with output, and with undefined once there will be none any more. */
  onOutput(listener: (bytes: Buffer | undefined) => void): void;
  /** Resolves when the bytes are on their way. */
  send(bytes: Buffer): Promise<void>;
}

export interface ConversationOptions extends ExpectOptions {
  /** Ends every wait. */
  readonly signal: AbortSignal;
  /** What no failure shows, beside what is sent as a secret here. */
  readonly secrets?: Secrets;
}

export class Conversation {
  readonly #peer: ScriptPeer;
  readonly #buffer: ExpectBuffer;
  readonly #signal: AbortSignal;
  readonly #secrets: Secrets;
  #ended = false;
  #changed: () => void = () => {};

  constructor(peer: ScriptPeer, options: ConversationOptions) {
    this.#peer = peer;
    this.#buffer = new ExpectBuffer(options);
    this.#signal = options.signal;
    this.#secrets = options.secrets ?? new Secrets();
    peer.onOutput((bytes) => {
      if (bytes === undefined) this.#ended = true;
      else this.#buffer.push(bytes);
      this.#changed();
    });
  }

  /**
   * Waits for output that matches, after what matched before.
   * @throws VsbError E_EXPECT_TIMEOUT or E_CONSOLE_CLOSED, with `details` {pattern, lastLines}; the signal's reason
   */
  async expect(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    return await this.#until(timeoutMs, pattern, () => this.#buffer.find(pattern));
  }

  /**
   * Waits for output that ends with what matches, and for a while in which nothing follows it: a prompt.
   * @param quietMs how long, milliseconds; asked for when it has matched
   * @throws as expect() does
   */
  async expectAtEnd(
    pattern: RegExp,
    timeoutMs: number,
    quietMs: number | (() => number),
  ): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const left = Math.max(0, deadline - performance.now());
      const match = await this.#until(left, pattern, () => this.#buffer.findAtEnd(pattern));
      const quiet = await new Promise<boolean>((resolve) => {
        const forMs = typeof quietMs === 'number' ? quietMs : quietMs();
        const timer = setTimeout(() => resolve(true), forMs);
        this.#changed = () => {
          clearTimeout(timer);
          resolve(false);
        };
      });
      if (!quiet) continue;
      this.#buffer.forget();
      return match;
    }
  }

  /** Whether it has come already, after what matched before it. */
  hasCome(pattern: RegExp): boolean {
    return this.#buffer.find(pattern) !== undefined;
  }

  /** Another that reads in its own way, first what has come here and was not matched. This one reads bytes. */
  continued(options: ConversationOptions): Conversation {
    const next = new Conversation(this.#peer, { secrets: this.#secrets, ...options });
    next.#buffer.push(Buffer.from(this.#buffer.rest(), 'latin1'));
    return next;
  }

  /** Nothing that has come so far matters any more. */
  forget(): void {
    this.#buffer.forget();
  }

  /**
   * Hands all output on as it comes, up to what matches.
   * @param begin how what matches begins; a line end may stand before it
   * @throws as expect() does
   */
  async passUntil(
    pattern: RegExp,
    begin: string,
    timeoutMs: number,
    pass: (text: string) => void,
  ): Promise<RegExpExecArray> {
    return await this.#until(timeoutMs, pattern, () => {
      const match = this.#buffer.find(pattern);
      pass(match === undefined ? this.#buffer.release(begin) : match.input.slice(0, match.index));
      return match;
    });
  }

  /** @throws VsbError E_CONSOLE_CLOSED when there is nobody to send it to */
  async send(bytes: Buffer): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#ended)
      throw this.#failure('E_CONSOLE_CLOSED', 'the console ended before all was sent');
    await this.#peer.send(bytes);
  }

  /**
   * Sends a password. It is masked in what failures show: a program that has not turned its terminal's echo off yet, or a
   * shell where a login was expected, prints it.
   * @throws as send() does
   */
  async sendSecret(secret: Buffer): Promise<void> {
    this.#secrets.add(secret);
    await this.send(secret);
  }

  async #until(
    timeoutMs: number,
    pattern: RegExp,
    look: () => RegExpExecArray | undefined,
  ): Promise<RegExpExecArray> {
    const what = `/${this.#secrets.conceal(pattern.source)}/`;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#changed();
    }, timeoutMs);
    const onAbort = (): void => this.#changed();
    this.#signal.addEventListener('abort', onAbort);
    try {
      for (;;) {
        const match = look();
        if (match !== undefined) return match;
        this.#signal.throwIfAborted();
        if (this.#ended) {
          const text = `the console ended before ${what} came`;
          throw this.#failure('E_CONSOLE_CLOSED', text, pattern);
        }
        if (late) {
          const text = `${what} did not come within ${timeoutMs / 1000} s`;
          throw this.#failure('E_EXPECT_TIMEOUT', text, pattern);
        }
        await new Promise<void>((resolve) => {
          this.#changed = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
      this.#signal.removeEventListener('abort', onAbort);
    }
  }

  #failure(
    code: 'E_EXPECT_TIMEOUT' | 'E_CONSOLE_CLOSED',
    message: string,
    pattern?: RegExp,
  ): VsbError {
    const conceal = (text: string): string => this.#secrets.conceal(text);
    const lastLines = this.#buffer.tail(LAST_LINES, conceal);
    const details = { pattern: pattern && conceal(pattern.source), lastLines };
    return new VsbError(code, message, {
      layer: 'console',
      details,
      ...(code === 'E_CONSOLE_CLOSED' ? { hint: '`vsbypass status` tells what is left.' } : {}),
    });
  }
}

/** Throws what is no answer that did not come in time. */
export function assertTimeout(error: unknown): asserts error is VsbError {
  if (!(error instanceof VsbError) || error.code !== 'E_EXPECT_TIMEOUT') throw error;
}
