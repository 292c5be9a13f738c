/** So many messages a second for long, some more at once; who sends more is listened to later. */
import { fullBucket, refilled, type Bucket, type BucketLimits } from '../base/token-bucket.js';

export class Rate {
  readonly #limits: BucketLimits;
  readonly #now: () => number;
  #bucket: Bucket;

  /** @param now milliseconds that only grow */
  constructor(perSecond: number, burst: number, now: () => number = () => performance.now()) {
    this.#limits = { perSecond, burst };
    this.#now = now;
    this.#bucket = fullBucket(this.#limits, now());
  }

  /** Counts one message. @returns how long to listen to no more of them, milliseconds */
  take(): number {
    const { tokens: before, at } = refilled(this.#bucket, this.#limits, this.#now());
    const tokens = before - 1;
    this.#bucket = { tokens, at };
    return tokens >= 0 ? 0 : (-tokens / this.#limits.perSecond) * 1000;
  }
}
