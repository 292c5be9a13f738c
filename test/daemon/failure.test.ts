import { expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { failureOf } from '../../src/daemon/failure.js';

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
