/** `--or-skip`: a machine that cannot run the testbed is no failure of what is tested there. */
import { VsbError, type ErrorCode } from '../base/errors.js';

/** What a machine may lack. A build that fails, a port that is taken are not among them: those are to be looked at. */
const lacks: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'E_HOST',
  'E_ACCEL',
  'E_PACKAGE_MISSING',
  'E_QEMU_MISSING',
  'E_QEMU_TOO_OLD',
  'E_NO_MEMORY',
  'E_NO_SPACE',
  'E_PERMISSION',
]);

/**
 * What to throw instead of an error: E_SKIPPED (77) where this host lacks something and `--or-skip` was given, else
 * the error itself.
 */
export function orSkip(error: unknown, asked: boolean): unknown {
  if (!asked || !(error instanceof VsbError) || !lacks.has(error.code)) return error;
  return new VsbError('E_SKIPPED', `skipped: ${error.message}`, {
    layer: 'host',
    details: { ...error.details, code: error.code },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error,
  });
}

/** Runs it, with `--or-skip` or without. @throws what it throws, or E_SKIPPED */
export async function skipping<T>(asked: boolean, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw orSkip(error, asked);
  }
}
