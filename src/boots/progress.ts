/** How a series of boots goes: on a terminal a line that moves, else a line for each boot. */
import type { WriteStream } from 'node:tty';

import type { BootEvent } from '../contract/events.js';
import type { Boot } from './series.js';

const refreshMs = 500;
const eraseLine = '\r\x1b[K';

export class Progress {
  readonly #stream: WriteStream;
  readonly #count: number;
  readonly #timer: NodeJS.Timeout | undefined;
  #number = 0;
  #phase: { readonly name: string; readonly started: number; limitMs: number } | undefined;

  constructor(stream: WriteStream, count: number) {
    this.#stream = stream;
    this.#count = count;
    this.#timer = stream.isTTY ? setInterval(() => this.#draw(), refreshMs).unref() : undefined;
  }

  begin(number: number): void {
    this.#number = number;
  }

  take(event: BootEvent): void {
    if (event.reason === 'stretched' && this.#phase !== undefined) {
      this.#phase.limitMs = event.limitMs;
    }
    if (event.reason !== 'started') return;
    this.#phase = { name: event.phase, started: performance.now(), limitMs: event.limitMs };
  }

  end({ ms, failure }: Boot, reached: number): void {
    this.#phase = undefined;
    const what = failure === undefined ? 'login' : `FAILED: ${failure.message}`;
    const erase = this.#stream.isTTY ? eraseLine : '';
    this.#stream.write(
      `${erase}boot ${this.#number} of ${this.#count}: ${(ms / 1000).toFixed(1)} s, ${what} (${reached} of ${this.#number})\n`,
    );
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#stream.isTTY) this.#stream.write(eraseLine);
  }

  #draw(): void {
    const phase = this.#phase;
    if (phase === undefined) return;
    const elapsed = ((performance.now() - phase.started) / 1000).toFixed(0);
    this.#stream.write(
      `${eraseLine}boot ${this.#number} of ${this.#count}: ${phase.name} ${elapsed} s of ${(phase.limitMs / 1000).toFixed(0)} s`,
    );
  }
}
