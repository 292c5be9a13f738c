/** Waits until something holds, as long as a busy machine may take for it. */
import { vi } from 'vitest';

/** @throws what the check throws in the end */
export async function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return await vi.waitFor(check, { timeout: 20_000 });
}
