/** So many connections of one peer at a time: counted, and kept to by the gateway. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { RateLimit } from '../../../src/console/gateway/rate-limit.js';
import { ConsoleRig } from '../../rig/console-rig.js';

test('RateLimit allows a burst and then so many a second, for each peer', () => {
  let now = 0;
  const limit = new RateLimit(3, 2, () => now);
  const take = (peer: string, times: number) =>
    Array.from({ length: times }, () => limit.take(peer)).filter(Boolean).length;
  expect(take('a', 5)).toBe(3);
  expect(take('b', 1)).toBe(1);
  now = 1000;
  expect(take('a', 5)).toBe(2);
  now = 100_000;
  expect(take('a', 5)).toBe(3);
});

describe('the gateway', () => {
  let rig: ConsoleRig;

  beforeEach(async () => {
    rig = await ConsoleRig.start();
  });

  afterEach(async () => {
    await rig.stop();
  });

  test('drops connections that come too fast, and says so in the log', async () => {
    await rig.startGateway({ limits: { connectionBurst: 2, connectionsPerSecond: 0.001 } });
    await rig.login();
    await rig.login();
    await expect(rig.login()).rejects.toThrow();
    expect(rig.events).toContainEqual(
      expect.objectContaining({ type: 'connection-dropped', reason: 'too many connections' }),
    );
  });
});
