import { getEventListeners } from 'node:events';

import { expect, test, vi } from 'vitest';

import { abortable } from '../../src/base/abortable.js';

const never = (): undefined => undefined;

test('abortable gives what it is resolved with, and cleans up', async () => {
  const { signal } = new AbortController();
  const cleanUp = vi.fn();
  const wait = abortable<number>(
    (resolve) => {
      setImmediate(() => resolve(3));
      return cleanUp;
    },
    { signal, timeoutMs: 10_000 },
  );
  expect(cleanUp).not.toHaveBeenCalled();
  expect(await wait).toBe(3);
  expect(cleanUp).toHaveBeenCalledOnce();
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('abortable ends with the reason of its signal, before it begins and later', async () => {
  const abort = new AbortController();
  const reason = new Error('enough');
  const cleanUp = vi.fn();
  const wait = abortable(() => cleanUp, { signal: abort.signal });
  abort.abort(reason);
  await expect(wait).rejects.toBe(reason);
  expect(cleanUp).toHaveBeenCalledOnce();

  const begin = vi.fn(never);
  await expect(abortable(begin, { signal: abort.signal })).rejects.toBe(reason);
  expect(begin).not.toHaveBeenCalled();
});

test('abortable ends when its time is over', async () => {
  const late = new Error('late');
  await expect(abortable(never, { timeoutMs: 5, late: () => late })).rejects.toBe(late);
});

test('abortable passes on what begins it throws', async () => {
  const fault = new Error('fault');
  const { signal } = new AbortController();
  const wait = abortable(
    () => {
      throw fault;
    },
    { signal },
  );
  await expect(wait).rejects.toBe(fault);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
