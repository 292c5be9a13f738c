/** So many at once for each of many peers, then so many a second; what is more is refused. */
import { fullBucket, refilled, type Bucket, type BucketLimits } from '../../base/token-bucket.js';

/** Peers that are remembered; beyond it the one unseen for longest is forgotten. */
const MAX_PEERS = 1024;

export class RateLimit {
  readonly #limits: BucketLimits;
  readonly #now: () => number;
  /** Least recently seen first. */
  readonly #peers = new Map<string, Bucket>();

  /** @param now milliseconds, monotonic */
  constructor(burst: number, perSecond: number, now: () => number = () => performance.now()) {
    this.#limits = { perSecond, burst };
    this.#now = now;
  }

  /** Whether the peer may do it once more now. */
  take(peer: string): boolean {
    const now = this.#now();
    const known = this.#peers.get(peer) ?? fullBucket(this.#limits, now);
    const { tokens } = refilled(known, this.#limits, now);
    const allowed = tokens >= 1;
    this.#peers.delete(peer);
    this.#peers.set(peer, { tokens: allowed ? tokens - 1 : tokens, at: now });
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > MAX_PEERS && oldest !== undefined) this.#peers.delete(oldest);
    return allowed;
  }
}
