/** What becomes of an exception that ends the daemon: a failure that says what helps. */
import { ExitCode, VsbError, messageOf } from '../base/errors.js';
import { fileError, isFull } from '../base/files.js';

/** V8, its WebAssembly, libuv and the C library each have words of their own. */
const outOfMemory = /out of memory|allocation failed|cannot allocate|\bENOMEM\b/i;

/** An expected failure stays as it is. */
export function failureOf(error: unknown): VsbError {
  if (error instanceof VsbError) return error;
  const message = messageOf(error);
  if (outOfMemory.test(message)) {
    return new VsbError('E_NO_MEMORY', 'the daemon has run out of memory', {
      layer: 'host',
      hint: 'Is there a limit (`ulimit -v`, a control group)? `vsbypass logs daemon` tells where it was.',
      cause: error,
    });
  }
  if (isFull(error)) return fileError('the daemon cannot write', error);
  return new VsbError('E_DAEMON', `the daemon has failed: ${message}`, {
    layer: 'L0',
    hint: '`vsbypass logs daemon` tells where.',
    cause: error,
  });
}

/**
 * What is told where a machine cannot be taken over. What the host lacks stays what it is: with that mended it can be.
 *
 * @param machine its make, with its pid
 */
export function takeOverFailure(machine: string, error: unknown): VsbError {
  const cause = failureOf(error);
  if (cause.exitCode === ExitCode.host) return cause;
  return new VsbError('E_DAEMON', `${machine} cannot be taken over: ${cause.message}`, {
    ...{ layer: cause.layer ?? 'L0', cause },
    hint: '`vsbypass up` ends it, its user VMs included, and boots anew.',
  });
}
