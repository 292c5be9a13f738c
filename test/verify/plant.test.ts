import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Typist } from '../../src/console/dialogue/typist.js';
import { newCanary, octal } from '../../src/verify/canary.js';
import { plant } from '../../src/verify/plant.js';
import { connectionTo, FakeGuest } from '../rig/fake-guest.js';

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

describe('plant', () => {
  it('types one canary with an echo, one without, and has one printed that is never typed', async () => {
    const [echoed, hidden, printed] = [newCanary(), newCanary(), newCanary()];
    await plant(
      typist,
      new Map([
        ['echoed', echoed],
        ['hidden', hidden],
        ['printed', printed],
      ]),
    );
    const heard = typist.heard().toString();
    expect(heard).toContain(echoed);
    expect(heard).not.toContain(hidden);
    expect(guest.lines).toContain(hidden);
    expect(heard).toContain(printed);
    expect(guest.lines.join('\n')).not.toContain(printed);
    expect(guest.lines.join('\n')).toContain(octal(printed));
  });
});
