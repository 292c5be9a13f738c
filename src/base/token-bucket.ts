/** The arithmetic of a token bucket: some at once, then so many a second. */

export interface BucketLimits {
  readonly perSecond: number;
  /** At most so many at once, which is also what it begins with. */
  readonly burst: number;
}

export interface Bucket {
  readonly tokens: number;
  /** When that was so, monotonic milliseconds. */
  readonly at: number;
}

export function fullBucket({ burst }: BucketLimits, now: number): Bucket {
  return { tokens: burst, at: now };
}

/** The bucket with what has come in since. @param now milliseconds, on the clock of `at` */
export function refilled({ tokens, at }: Bucket, limits: BucketLimits, now: number): Bucket {
  const gained = ((now - at) / 1000) * limits.perSecond;
  return { tokens: Math.min(limits.burst, tokens + gained), at: now };
}
