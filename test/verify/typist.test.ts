/** A user VM's shell played by the test: echoes what is typed, and runs the few commands that are typed at it. */
import { Duplex } from 'node:stream';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { ConsoleConnection } from '../../src/console/connection.js';
import { VsbError } from '../../src/errors/index.js';
import { newCanary, octal } from '../../src/verify/canary.js';
import { Typist } from '../../src/verify/typist.js';

class Guest extends Duplex {
  state: 'login' | 'password' | 'shell' | 'dead' = 'shell';
  /** Complete lines as they were typed. */
  readonly lines: string[] = [];
  #line = '';
  #reading: string | undefined;

  override _read(): void {
    // pushed as it comes
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    for (const character of chunk.toString('latin1')) this.#key(character);
    done();
  }

  #key(key: string): void {
    if (this.state === 'dead') return;
    if (key === '\x15') this.#line = '';
    else if (key === '\r') this.#enter(this.#line);
    else {
      this.#line += key;
      if (this.state !== 'password' && this.#reading === undefined) this.push(key);
    }
  }

  #enter(line: string): void {
    this.#line = '';
    this.lines.push(line);
    if (this.#reading !== undefined) {
      const rest = this.#reading;
      this.#reading = undefined;
      this.#run(rest);
      return;
    }
    this.push('\r\n');
    if (this.state === 'login') {
      this.state = line === '' ? 'login' : 'password';
      this.push(line === '' ? 'vm1 login: ' : 'Password: ');
    } else {
      this.state = 'shell';
      this.#run(line);
    }
  }

  #run(line: string): void {
    for (const [index, command] of line.split('; ').entries()) {
      const said = /^echo (.*)$/.exec(command)?.[1]?.replaceAll("''", '');
      const printed = /^printf '(.*)\\n'$/.exec(command)?.[1];
      if (said !== undefined) this.push(`${said}\r\n`);
      if (printed !== undefined) {
        const text = printed.replace(/\\(\d{3})/g, (_, digits: string) =>
          String.fromCharCode(parseInt(digits, 8)),
        );
        this.push(`${text}\r\n`);
      }
      if (command.startsWith('read ')) {
        this.#reading = line
          .split('; ')
          .slice(index + 1)
          .join('; ');
        return;
      }
    }
    this.push('~ # ');
  }
}

let guest: Guest;
let abort: AbortController;
let typist: Typist;

beforeEach(() => {
  guest = new Guest();
  abort = new AbortController();
  typist = new Typist(connectionTo(guest), abort.signal);
});
afterEach(() => {
  guest.destroy();
});

function connectionTo(channel: Duplex): ConsoleConnection {
  return {
    title: 'a test',
    channel,
    closed: new Promise((resolve) => channel.once('close', () => resolve())),
    onNotice: () => undefined,
    sendBreak: () => undefined,
    resize: () => undefined,
    ask: () => Promise.resolve(Buffer.alloc(0)),
    close: () => Promise.resolve(true),
    destroy: () => undefined,
    refused: () => false,
    checkEnd: () => {
      throw new VsbError('E_CONSOLE_CLOSED', 'over');
    },
  };
}

describe('Typist.logIn', () => {
  it('logs root in where there is a login prompt', async () => {
    guest.state = 'login';
    expect(await typist.logIn('secret')).toBe(true);
    expect(guest.lines).toContain('root');
    expect(guest.lines).toContain('secret');
    expect(typist.heard().toString()).not.toContain('secret');
  });

  it('uses the shell that is there already', async () => {
    expect(await typist.logIn('secret')).toBe(false);
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

describe('Typist.plant', () => {
  it('types one canary with an echo, one without, and has one printed that is never typed', async () => {
    const [echoed, hidden, printed] = [newCanary(), newCanary(), newCanary()];
    await typist.plant(
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

  it('can be told to forget what it has heard', async () => {
    await typist.run(': before');
    typist.forget();
    await typist.run(': after');
    expect(typist.heard().toString()).toContain('after');
    expect(typist.heard().toString()).not.toContain('before');
  });
});
