import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import type { PhaseMode } from '../../src/contract/evidence.js';
import { TwoWayConsole } from '../../src/verify/two-way-console.js';
import { connectionTo, FakeGuest } from '../rig/fake-guest.js';

/** What the fake console needs for a key: a line takes longer than a guess at the time of its echo. */
const keyMs = 2;

/** A guest whose serial port goes one of two ways; what is typed at the other waits there. */
class MovedGuest {
  readonly shell = new FakeGuest();
  readonly waiting: Record<PhaseMode, number[]> = { baseline: [], shadow: [] };
  readonly ends = { baseline: this.#end('baseline'), shadow: this.#end('shadow') };
  mode: PhaseMode = 'shadow';
  readonly #clock: NodeJS.Timeout;

  constructor() {
    this.shell.on('data', (bytes: Buffer) => this.ends[this.mode].push(bytes));
    this.#clock = setInterval(() => {
      const key = this.waiting[this.mode].shift();
      if (key !== undefined) this.shell.write(Buffer.from([key]));
    }, keyMs);
  }

  #end(mode: PhaseMode): Duplex {
    return new Duplex({
      read: () => undefined,
      write: (bytes: Buffer, _, done) => {
        this.waiting[mode].push(...bytes);
        done();
      },
    });
  }

  destroy(): void {
    clearInterval(this.#clock);
    this.shell.destroy();
  }
}

let guest: MovedGuest;
let abort: AbortController;
let console: TwoWayConsole;
/** Called with each mode before it is set. */
let onMode: (mode: PhaseMode) => void;

beforeEach(() => {
  guest = new MovedGuest();
  abort = new AbortController();
  onMode = () => undefined;
  console = new TwoWayConsole({
    ways: { baseline: connectionTo(guest.ends.baseline), shadow: connectionTo(guest.ends.shadow) },
    home: 'shadow',
    setMode: (mode, signal) => {
      onMode(mode);
      guest.mode = mode;
      return signal.aborted ? Promise.reject(signal.reason as Error) : Promise.resolve();
    },
    signal: abort.signal,
  });
});
afterEach(() => {
  guest.destroy();
});

/** Nothing of what was typed is on its way, or lies about for a later switch. */
function expectNothingWaits(): void {
  expect(guest.waiting).toEqual({ baseline: [], shadow: [] });
}

describe('TwoWayConsole', () => {
  it('is moved between two commands', async () => {
    await console.switchTo('baseline');
    expect(guest.mode).toBe('baseline');
    await console.current.run('echo here');
    expect(console.typists.baseline.heard().toString()).toContain('\r\nhere\r\n');
    expect(console.typists.shadow.heard().toString()).not.toContain('here');
    await console.switchTo('shadow');
    await console.current.run('echo there');
    expect(console.typists.shadow.heard().toString()).toContain('\r\nthere\r\n');
    expectNothingWaits();
  });

  it('is not moved to where it is', async () => {
    await console.switchTo('shadow');
    expect(guest.shell.lines).toEqual([]);
  });

  it('goes home in the middle of a line, and types nothing on two ways', async () => {
    await console.switchTo('baseline');
    console.current.type('some line that nobody ends');
    abort.abort(new VsbError('E_INTERRUPTED', 'enough'));
    await console.goHome();
    expect(guest.mode).toBe('shadow');
    expect(guest.shell.lines.at(-1)).toBe("stty sane; stty cols 0; echo go''ne; sleep 3");
    expect(guest.shell.state).toBe('shell');
    expectNothingWaits();
  });

  it('ends a command that takes the interrupt for a character', async () => {
    guest.shell.typeAhead = true;
    await console.switchTo('baseline');
    console.current.type("echo rea''dy; read -r x; echo over\r");
    await console.current.expect(/ready\r+\n/);
    abort.abort(new VsbError('E_INTERRUPTED', 'enough'));
    await console.goHome();
    expect(guest.shell.lines).toContain('\x03');
    expect(guest.shell.lines.at(-1)).toContain('stty sane');
    expect(guest.mode).toBe('shadow');
    expectNothingWaits();
  });

  it('leaves the shell that it has logged in', async () => {
    guest.shell.state = 'login';
    await console.current.logIn('secret');
    await console.switchTo('baseline');
    await console.goHome();
    expect(guest.mode).toBe('shadow');
    expect(guest.shell.state).toBe('login');
    expectNothingWaits();
  });

  it('ends a login that is half done', async () => {
    guest.shell.state = 'login';
    const login = expect(console.current.logIn('secret')).rejects.toThrow('enough');
    while (!console.current.heard().includes('login: ro')) await delay(keyMs);
    abort.abort(new VsbError('E_INTERRUPTED', 'enough'));
    await login;
    await console.goHome();
    expect(guest.shell.state).toBe('login');
    expect(guest.shell.lines.join()).not.toContain('stty');
  });

  it('leaves the shell of a login that ended after the interruption', async () => {
    guest.shell.state = 'login';
    const login = expect(console.current.logIn('secret')).rejects.toThrow('enough');
    while (!console.current.typedPassword) await delay(keyMs);
    abort.abort(new VsbError('E_INTERRUPTED', 'enough'));
    await login;
    await console.goHome();
    expect(guest.shell.lines.at(-1)).toContain('; exit');
    expect(guest.shell.state).toBe('login');
  });

  it('knows where it is when the switch itself is interrupted', async () => {
    onMode = (mode) => {
      if (mode === 'baseline') abort.abort(new VsbError('E_INTERRUPTED', 'enough'));
    };
    await expect(console.switchTo('baseline')).rejects.toThrow('enough');
    expect(guest.mode).toBe('baseline');
    await console.goHome();
    expect(guest.mode).toBe('shadow');
    expectNothingWaits();
  });

  it('moves the console home also when the guest does not answer', async () => {
    await console.switchTo('baseline');
    guest.shell.state = 'dead';
    for (const end of Object.values(guest.ends)) end.destroy();
    await console.goHome();
    expect(guest.mode).toBe('shadow');
  });
});
