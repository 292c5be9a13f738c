/** Waiting for what may not come. */

export interface WaitOptions {
  /** Ends the wait with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the wait with what `late` makes, milliseconds. */
  readonly timeoutMs?: number | undefined;
  readonly late?: () => Error;
}

/**
 * A promise that also settles when a signal aborts or a time is over.
 * @param begin as for `new Promise`; what it returns is called once the promise has settled, in whatever way
 * @throws what it is rejected with; the signal's reason when that is aborted, also before; what `late` makes
 */
export async function abortable<T = void>(
  begin: (
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
  ) => (() => void) | undefined,
  { signal, timeoutMs, late = () => new Error('nothing came in time') }: WaitOptions,
): Promise<T> {
  signal?.throwIfAborted();
  let cleanUp: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      onAbort = () => reject(signal?.reason as Error);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (timeoutMs !== undefined) timer = setTimeout(() => reject(late()), timeoutMs);
      cleanUp = begin(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    cleanUp?.();
  }
}
