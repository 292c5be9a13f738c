/** A token bucket for each of many peers: so many at once, then so many a second. */

/** Peers that are remembered; beyond it the one unseen for longest is forgotten. */
const MAX_PEERS = 1024;

export class RateLimit {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #now: () => number;
  /** Least recently seen first. */
  readonly #peers = new Map<string, { tokens: number; at: number }>();

  /** @param now milliseconds, monotonic */
  constructor(burst: number, perSecond: number, now: () => number = () => performance.now()) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Whether the peer may do it once more now. */
  take(peer: string): boolean {
    const now = this.#now();
    const known = this.#peers.get(peer) ?? { tokens: this.#burst, at: now };
    const gained = ((now - known.at) / 1000) * this.#perSecond;
    const tokens = Math.min(this.#burst, known.tokens + gained);
    const allowed = tokens >= 1;
    this.#peers.delete(peer);
    this.#peers.set(peer, { tokens: allowed ? tokens - 1 : tokens, at: now });
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > MAX_PEERS && oldest !== undefined) this.#peers.delete(oldest);
    return allowed;
  }
}
