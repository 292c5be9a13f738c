/** A user's terminal in memory, and the console of `vm1` on it. */
import { PassThrough } from 'node:stream';

import { connectGateway, type ConsoleTarget } from '../../src/console/client/gateway-client.js';
import { interact } from '../../src/console/client/interactive.js';
import type { ConsoleRig } from './console-rig.js';

export class FakeTerminal extends PassThrough {
  readonly isTTY = true;
  readonly modes: boolean[] = [];

  setRawMode(raw: boolean): void {
    this.modes.push(raw);
  }
}

/** Keeps what is written. */
export class Sink extends PassThrough {
  text = '';

  constructor() {
    super();
    this.on('data', (bytes: Buffer) => (this.text += bytes.toString('latin1')));
  }
}

export function interactive(rig: ConsoleRig, change: Partial<ConsoleTarget> = {}) {
  const stdin = new FakeTerminal();
  const stdout = new Sink();
  const stderr = new Sink();
  const to = rig.target(change);
  const done = connectGateway(to).then((connection) =>
    interact(connection, { ...to, stdin, stdout, stderr, escape: '~' }),
  );
  // Failures are looked at when the test awaits them.
  done.catch(() => {});
  return { stdin, stdout, stderr, done };
}
