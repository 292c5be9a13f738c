import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { PhaseLimit, type LimitOptions } from '../../src/machine/phase-limit.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A limit of 100 s, and what was told of it. */
function watch(
  signs: LimitOptions['signs'],
  pace = 1,
  mayIdle = false,
): { limit: PhaseLimit; told: number[] } {
  const told: number[] = [];
  const limit = new PhaseLimit({
    ...{ limitMs: 100_000, pace, mayIdle, signs },
    stretched: (limitMs) => told.push(limitMs),
  });
  return { limit, told };
}
const signs = (any: string, work = any, waitedMs = 0): ReturnType<LimitOptions['signs']> =>
  Promise.resolve({ any, work, waitedMs });
/** Changes whenever it is asked. */
const busy = (): LimitOptions['signs'] => {
  let count = 0;
  return () => signs(String(count++));
};
/** Does nothing but wait. */
const idle = (): LimitOptions['signs'] => {
  let count = 0;
  return () => signs(String(count++), 'waits');
};
const seconds = async (count: number): Promise<void> => {
  await vi.advanceTimersByTimeAsync(count * 1000);
};

describe('PhaseLimit', () => {
  it('ends a phase of which nothing is known at its limit', async () => {
    const { limit, told } = watch(() => Promise.resolve(undefined));
    await seconds(99);
    expect(limit.signal.aborted).toBe(false);
    await seconds(2);
    expect(limit.signal.aborted).toBe(true);
    expect(limit.ending).toEqual({ kind: 'late', limitMs: 100_000 });
    expect(told).toEqual([]);
  });

  it('gives a machine that makes progress more, and says so, and ends it at four times the limit', async () => {
    const { limit, told } = watch(busy());
    await seconds(399);
    expect(limit.signal.aborted).toBe(false);
    expect(told).toEqual([200_000, 300_000, 400_000]);
    await seconds(2);
    expect(limit.ending).toEqual({ kind: 'late', limitMs: 400_000 });
  });

  it('ends one that only waits at its limit: that is no progress, and no hang', async () => {
    const { limit, told } = watch(idle());
    await seconds(99);
    expect(limit.signal.aborted).toBe(false);
    await seconds(2);
    expect(limit.ending).toEqual({ kind: 'late', limitMs: 100_000 });
    expect(told).toEqual([]);
  });

  it('ends one on which nothing changes after a minute, long before its limit', async () => {
    const { limit } = watch(() => signs('the same'));
    await seconds(58);
    expect(limit.signal.aborted).toBe(false);
    await seconds(6);
    expect(limit.ending).toMatchObject({ kind: 'hung' });
  });

  it('counts the minute from the last change', async () => {
    let sign = 'boots';
    const { limit } = watch(() => signs(sign));
    await seconds(50);
    sign = 'boots on';
    await seconds(50);
    expect(limit.signal.aborted).toBe(false);
    await seconds(14);
    expect(limit.ending).toMatchObject({ kind: 'hung' });
  });

  it('takes no answer for no change', async () => {
    let answers = 0;
    const { limit } = watch(() =>
      answers++ % 2 === 0 ? signs('the same') : Promise.resolve(undefined),
    );
    await seconds(64);
    expect(limit.ending).toMatchObject({ kind: 'hung' });
  });

  it('does not wait for who never answers', async () => {
    let asked = 0;
    const { limit } = watch(() =>
      asked++ === 0 ? signs('the same') : new Promise(() => undefined),
    );
    await seconds(80);
    expect(limit.ending).toMatchObject({ kind: 'hung' });
  });

  it('gives a slower machine more time to show something', async () => {
    const { limit } = watch(() => signs('the same'), 3);
    await seconds(170);
    expect(limit.signal.aborted).toBe(false);
    await seconds(14);
    expect(limit.ending).toMatchObject({ kind: 'hung' });
  });

  it('takes silence for none where a system may be idle', async () => {
    const { limit } = watch(() => signs('the same'), 1, true);
    await seconds(99);
    expect(limit.signal.aborted).toBe(false);
    await seconds(2);
    expect(limit.ending).toMatchObject({ kind: 'late' });
  });

  it('does not hold it against a machine that others of the host keep from running', async () => {
    let looks = 0;
    // Of each two seconds it has half of one.
    const { limit } = watch(() => signs('the same', 'the same', 1500 * looks++));
    await seconds(230);
    expect(limit.signal.aborted).toBe(false);
    await seconds(20);
    expect(limit.ending).toMatchObject({ kind: 'hung' });
  });

  it('ends nothing, and asks nothing, once the phase has ended', async () => {
    const asked = vi.fn(busy());
    const { limit } = watch(asked);
    await seconds(10);
    limit.stop();
    const before = asked.mock.calls.length;
    await seconds(1000);
    expect(limit.signal.aborted).toBe(false);
    expect(asked.mock.calls.length).toBe(before);
  });
});
