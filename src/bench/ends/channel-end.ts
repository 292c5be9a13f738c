/** An end whose bytes come to this process: by SSH from the gateway or from L2, or from the daemon's control socket. */
import type { Duplex } from 'node:stream';

import { VsbError } from '../../base/errors.js';
import { lateError, type End, type EndKind, type Step, type Timing } from './end.js';
import { Tape } from './tape.js';

/** A console that is open, and how it is left. */
export interface OpenChannel {
  readonly channel: Duplex;
  readonly close: () => Promise<void>;
}

export class ChannelEnd implements End {
  readonly kind: EndKind;
  readonly #open: (signal: AbortSignal) => Promise<OpenChannel>;

  constructor(kind: EndKind, open: (signal: AbortSignal) => Promise<OpenChannel>) {
    this.kind = kind;
    this.#open = open;
  }

  async play(steps: readonly Step[], signal: AbortSignal): Promise<Timing[]> {
    const { channel, close } = await this.#open(signal);
    const player = new Player(channel, signal);
    try {
      const timings: Timing[] = [];
      for (const [index, step] of steps.entries()) timings.push(await player.play(step, index));
      return timings;
    } finally {
      player.stop();
      await close();
    }
  }
}

/** Plays steps at an open channel. */
class Player {
  readonly #channel: Duplex;
  readonly #signal: AbortSignal;
  readonly #tape = new Tape();
  #over = false;
  #changed: () => void = () => {};

  constructor(channel: Duplex, signal: AbortSignal) {
    this.#channel = channel;
    this.#signal = signal;
    channel.on('data', this.#onData).on('close', this.#onClose);
  }

  stop(): void {
    this.#channel.off('data', this.#onData).off('close', this.#onClose);
    // What still comes must not hold the closing up.
    this.#channel.resume();
  }

  async play(step: Step, index: number): Promise<Timing> {
    const startMs = performance.now();
    if (step.do === 'send') {
      let sent = false;
      this.#channel.write(step.bytes, () => {
        sent = true;
        this.#changed();
      });
      await this.#until(() => sent, Number.POSITIVE_INFINITY);
      return { startMs, endMs: performance.now(), output: Buffer.alloc(0) };
    }
    if (step.do === 'pause') {
      await this.#until(() => false, step.ms);
      return { startMs, endMs: performance.now(), output: Buffer.alloc(0) };
    }
    let match = this.#tape.find(step.bytes);
    await this.#until(() => {
      match ??= this.#tape.find(step.bytes);
      return match !== undefined;
    }, step.limitMs);
    if (match === undefined) throw lateError(step, index, this.#tape.rest());
    return { startMs, endMs: match.ms, output: match.output };
  }

  /** Waits until it is so, at most `limitMs`. */
  async #until(done: () => boolean, limitMs: number): Promise<void> {
    let late = false;
    const timer = Number.isFinite(limitMs)
      ? setTimeout(() => {
          late = true;
          this.#changed();
        }, limitMs)
      : undefined;
    const onAbort = (): void => this.#changed();
    this.#signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (!done() && !late) {
        this.#signal.throwIfAborted();
        if (this.#over) {
          const layer = 'console';
          throw new VsbError('E_CONSOLE_CLOSED', 'the console ended during a script', { layer });
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

  readonly #onData = (bytes: Buffer): void => {
    this.#tape.push(bytes, performance.now());
    this.#changed();
  };

  readonly #onClose = (): void => {
    this.#over = true;
    this.#changed();
  };
}
