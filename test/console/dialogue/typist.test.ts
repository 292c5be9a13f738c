import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { VsbError } from '../../../src/base/errors.js';
import { Typist } from '../../../src/console/dialogue/typist.js';
import { connectionTo, FakeGuest } from '../../rig/fake-guest.js';

let guest: FakeGuest;
let abort: AbortController;
let typist: Typist;

beforeEach(() => {
  guest = new FakeGuest();
  abort = new AbortController();
  typist = new Typist(connectionTo(guest), abort.signal);
});
afterEach(() => {
  guest.destroy();
});

describe('Typist.logIn', () => {
  it('logs root in where there is a login prompt', async () => {
    guest.state = 'login';
    await typist.logIn('secret');
    expect(typist.typedPassword).toBe(true);
    expect(guest.lines).toContain('root');
    expect(guest.lines).toContain('secret');
    expect(typist.heard().toString()).not.toContain('secret');
  });

  it('uses the shell that is there already', async () => {
    await typist.logIn('secret');
    expect(typist.typedPassword).toBe(false);
    expect(guest.lines).not.toContain('secret');
  });

  it('ends when it is interrupted', async () => {
    guest.state = 'dead';
    const failed = expect(typist.logIn('secret')).rejects.toMatchObject({ code: 'E_INTERRUPTED' });
    abort.abort(new VsbError('E_INTERRUPTED', 'enough'));
    await failed;
  });

  it('ends when the console does', async () => {
    guest.state = 'dead';
    const failed = expect(typist.logIn('x')).rejects.toMatchObject({ code: 'E_CONSOLE_CLOSED' });
    guest.destroy();
    await failed;
  });
});

describe('Typist.forget', () => {
  it('can be told to forget what it has heard', async () => {
    await typist.run(': before');
    typist.forget();
    await typist.run(': after');
    expect(typist.heard().toString()).toContain('after');
    expect(typist.heard().toString()).not.toContain('before');
  });
});
