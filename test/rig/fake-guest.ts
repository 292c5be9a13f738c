/** A user VM's shell played by the test: echoes what is typed, and runs the few commands that are typed at it. */
import { Duplex } from 'node:stream';

import { VsbError } from '../../src/base/errors.js';
import type { ConsoleConnection } from '../../src/console/connection.js';

/** How long any `sleep` takes. */
const sleepMs = 50;

export class FakeGuest extends Duplex {
  state: 'login' | 'password' | 'shell' | 'dead' = 'shell';
  /** Whether a ^C comes before the `read` that takes it, and so is a character of its line. */
  typeAhead = false;
  /** What the shell prints for a line that it is in. */
  readonly answers = new Map<string, string>();
  /** Complete lines as they were typed. */
  readonly lines: string[] = [];
  #line = '';
  /** What comes after a `read`, and after a `sleep`. */
  #reading: string[] | undefined;
  #sleeping: NodeJS.Timeout | undefined;

  override _read(): void {
    // pushed as it comes
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    for (const character of chunk.toString('latin1')) this.#key(character);
    done();
  }

  #key(key: string): void {
    if (this.state === 'dead') return;
    if (key === '\x03' && !(this.typeAhead && this.#reading)) this.#interrupt();
    else if (key === '\x15') this.#line = '';
    else if (key === '\r') this.#enter(this.#line);
    else {
      this.#line += key;
      if (this.state !== 'password' && this.#reading === undefined) this.push(key);
    }
  }

  #interrupt(): void {
    this.#line = '';
    this.#reading = undefined;
    clearTimeout(this.#sleeping);
    this.push('^C\r\n');
    if (this.state === 'shell') this.push('~ # ');
    else this.#showLogin();
  }

  #showLogin(): void {
    this.state = 'login';
    this.push('vm1 login: ');
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
      if (line === '') this.#showLogin();
      else {
        this.state = 'password';
        this.push('Password: ');
      }
    } else {
      this.state = 'shell';
      this.#run(line.split('; '));
    }
  }

  #run([command, ...rest]: string[]): void {
    if (command === undefined) {
      this.push('~ # ');
      return;
    }
    const said = /^echo (.*)$/.exec(command)?.[1]?.replaceAll("''", '');
    const printed = /^printf '(.*)\\n'$/.exec(command)?.[1];
    if (said !== undefined) this.push(`${said}\r\n`);
    if (printed !== undefined) {
      const text = printed.replace(/\\(\d{3})/g, (_, digits: string) =>
        String.fromCharCode(parseInt(digits, 8)),
      );
      this.push(`${text}\r\n`);
    }
    for (const [part, answer] of this.answers) {
      if (command.includes(part)) this.push(`${answer}\r\n`);
    }
    if (command.startsWith('read ')) this.#reading = rest;
    else if (command.startsWith('sleep ')) {
      this.#sleeping = setTimeout(() => this.#run(rest), sleepMs);
    } else if (command === 'exit') this.#showLogin();
    else this.#run(rest);
  }
}

/** An open console of that guest. */
export function connectionTo(channel: Duplex): ConsoleConnection {
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
