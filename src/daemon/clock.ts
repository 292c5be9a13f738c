/** Notices that the host's clock was set: the wall clock went another way than the monotonic one. */

/** Differences below it are NTP's slewing and a late timer. */
const noticedMs = 2000;

export interface ClockJump {
  /** Positive: forward. */
  readonly seconds: number;
  /** The new time, ISO 8601. */
  readonly at: string;
}

export class ClockWatch {
  #offsetMs: number;

  /** @param wallMs since 1970; monotonicMs from any origin */
  constructor(wallMs: number, monotonicMs: number) {
    this.#offsetMs = wallMs - monotonicMs;
  }

  look(wallMs: number, monotonicMs: number): ClockJump | undefined {
    const offsetMs = wallMs - monotonicMs;
    const jumpMs = offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    if (Math.abs(jumpMs) < noticedMs) return undefined;
    return { seconds: Math.round(jumpMs / 1000), at: new Date(wallMs).toISOString() };
  }
}
