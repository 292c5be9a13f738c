/**
 * Keeps an eye on a running testbed: probes the layers now and then, and at once when somebody asks
 * and the last answer is not fresh. Probes cost the layers some work, so nobody can make them come
 * more often than that.
 */
import { judge, type LayerHealth, type Verdict } from '../contract/health.js';
import { ClockWatch, type ClockJump } from './clock.js';

/** Without being asked. */
const intervalMs = 60_000;
/** An answer so old is told again. */
const freshMs = 3000;
const clockIntervalMs = 5000;

export interface MonitorOptions {
  probe(): Promise<LayerHealth[]>;
  log(text: string): void;
}

export class Monitor {
  readonly #options: MonitorOptions;
  readonly #timers: NodeJS.Timeout[];
  readonly #clock = new ClockWatch(Date.now(), performance.now());
  #layers: readonly LayerHealth[] = [];
  #probedAt = Number.NEGATIVE_INFINITY;
  #probing: Promise<void> | undefined;
  #jump: ClockJump | undefined;
  #lastReason: string | undefined;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#timers = [
      setInterval(() => void this.#probe(), intervalMs).unref(),
      setInterval(() => this.lookAtClock(), clockIntervalMs).unref(),
    ];
  }

  /** What was found last. */
  get layers(): readonly LayerHealth[] {
    return this.#layers;
  }

  get verdict(): Verdict {
    return judge(this.#layers);
  }

  /** The last time that the host's clock was set, if it was. */
  get clockJump(): ClockJump | undefined {
    return this.#jump;
  }

  /** Makes sure that what is known is fresh. */
  async refresh(): Promise<void> {
    this.lookAtClock();
    if (performance.now() - this.#probedAt > freshMs) await this.#probe();
  }

  lookAtClock(): void {
    const jump = this.#clock.look(Date.now(), performance.now());
    if (jump === undefined) return;
    this.#jump = jump;
    this.#options.log(`the clock of this host jumped by ${jump.seconds} s`);
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  async #probe(): Promise<void> {
    this.#probing ??= this.#options.probe().then((layers) => {
      this.#layers = layers;
      this.#probedAt = performance.now();
      this.#probing = undefined;
      const { state, reason } = this.verdict;
      if (reason !== this.#lastReason) this.#options.log(`health: ${reason ?? state}`);
      this.#lastReason = reason;
    });
    await this.#probing;
  }
}
