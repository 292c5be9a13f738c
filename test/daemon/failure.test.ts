import { expect, it } from 'vitest';

import { VsbError, type ErrorCode } from '../../src/base/errors.js';
import { failureOf, takeOverFailure } from '../../src/daemon/failure.js';

it('failureOf leaves an expected failure as it is', () => {
  const error = new VsbError('E_QMP', 'no answer');
  expect(failureOf(error)).toBe(error);
});

it.each([
  'abort(RangeError: WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance)',
  'Array buffer allocation failed',
  'spawn ENOMEM',
])('failureOf says in its own words that memory ran out: %s', (message) => {
  const failure = failureOf(new RangeError(message));
  expect(failure).toMatchObject({
    code: 'E_NO_MEMORY',
    message: 'the daemon has run out of memory',
  });
  expect(failure.cause).toMatchObject({ message });
});

it('failureOf tells a full disk, and anything else with its message', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
  });
  expect(failureOf(full).code).toBe('E_NO_SPACE');
  expect(failureOf(new TypeError('x is not a function'))).toMatchObject({
    code: 'E_DAEMON',
    message: 'the daemon has failed: x is not a function',
  });
});

it.each<ErrorCode>(['E_LINK_TIMEOUT', 'E_QMP_COMMAND', 'E_QMP_CLOSED', 'E_FILE', 'E_CONSOLE_KEY'])(
  'takeOverFailure has `up` begin anew, by the one code that it looks for: %s',
  (code) => {
    const cause = new VsbError(code, 'why', { layer: 'L1' });
    expect(takeOverFailure('QEMU (pid 7)', cause)).toMatchObject({
      ...{ code: 'E_DAEMON', message: 'QEMU (pid 7) cannot be taken over: why', layer: 'L1' },
      hint: '`vsbypass up` ends it, its user VMs included, and boots anew.',
      cause,
    });
  },
);

it('takeOverFailure leaves what the host lacks: the machine can be taken over when that is mended', () => {
  const cause = new VsbError('E_NO_SPACE', 'the disk is full');
  expect(takeOverFailure('QEMU (pid 7)', cause)).toBe(cause);
});
