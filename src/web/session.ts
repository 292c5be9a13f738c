/**
 * One page, joined to at most one console at a time. What comes from the page is hostile until it has
 * been checked; whatever it does, only its own console is affected.
 */
import type { RawData, WebSocket } from 'ws';

import { messageOf, VsbError } from '../base/errors.js';
import { sameProof, secret } from './admission.js';
import { pageMessageSchema, type PageMessage, type ServerMessage } from './messages.js';
import { PageConsole } from './page-console.js';
import { proofText } from './page/limits.js';
import type { ConsoleProvider } from './provider.js';
import { Rate } from './rate.js';

/** A page that has sent no `hello` by then is dropped, milliseconds. */
const HELLO_MS = 5000;
/** A sign of life is asked for so often; a page that does not give it is dropped, milliseconds. */
const HEARTBEAT_MS = 20_000;
/** Messages a second for long, and at once. Typing, pasting and a mouse stay far below. */
const MESSAGES_PER_SECOND = 500;
const MESSAGES_AT_ONCE = 1000;
/** Opening a console costs a login: a second for long, and at once. */
const OPENS_PER_SECOND = 1;
const OPENS_AT_ONCE = 10;

/** Status codes of RFC 6455, 7.4.1 and ours (4000 on). */
export const CloseCode = { goingAway: 1001, policy: 1008, notAdmitted: 4403 } as const;

export class WebSession {
  readonly #socket: WebSocket;
  readonly #provider: ConsoleProvider;
  readonly #prove: (text: string) => string | undefined;
  readonly #nonce = secret();
  readonly #rate = new Rate(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE);
  readonly #opens = new Rate(OPENS_PER_SECOND, OPENS_AT_ONCE);
  readonly #console: PageConsole;
  readonly #helloTimer: NodeJS.Timeout;
  readonly #heartbeat: NodeJS.Timeout;
  #resumeTimer: NodeJS.Timeout | undefined;
  #admitted = false;
  #alive = true;
  #lastInstance = '';

  /** @param prove shows for a text that one has the page's key; undefined if that page is not known */
  constructor(
    socket: WebSocket,
    provider: ConsoleProvider,
    prove: (text: string) => string | undefined,
  ) {
    this.#socket = socket;
    this.#provider = provider;
    this.#prove = prove;
    this.#console = new PageConsole(
      {
        send: (message) => this.#send(message),
        sendOutput: (bytes) => socket.send(bytes),
        sendEnded: (error) => this.#sendEnded(error),
        violation: (reason) => this.#violation(reason),
      },
      provider,
    );
    this.#helloTimer = setTimeout(() => this.#violation('no hello'), HELLO_MS);
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('pong', () => (this.#alive = true));
    socket.on('error', () => {
      // Malformed or oversize frames, a reset: 'close' follows.
    });
    socket.once('close', () => this.#onClose());
    this.#send({ type: 'challenge', nonce: this.#nonce });
  }

  /** Whether the page has shown that it was admitted. */
  get admitted(): boolean {
    return this.#admitted;
  }

  /** Tells the page what the instance is now, if that is news, and ends a console that has changed its way. */
  update(instance: Extract<ServerMessage, { type: 'instance' }>): void {
    if (!this.#admitted) return;
    const text = JSON.stringify(instance);
    if (text !== this.#lastInstance) this.#sendText(text);
    this.#lastInstance = text;
    this.#console.update(instance.vms);
  }

  /** The server is going down. */
  close(): void {
    this.#console.leave();
    this.#socket.close(CloseCode.goingAway, 'the server is going down');
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    const pause = this.#rate.take();
    if (pause > 0 && this.#resumeTimer === undefined) {
      this.#socket.pause();
      this.#resumeTimer = setTimeout(() => {
        this.#resumeTimer = undefined;
        this.#socket.resume();
      }, pause);
    }
    // ws hands out one Buffer unless it is told otherwise.
    const bytes = data as Buffer;
    if (isBinary) {
      if (this.#admitted) this.#console.write(bytes);
      else this.#violation('input before hello');
      return;
    }
    const message = parseMessage(bytes);
    if (message === undefined) this.#violation('malformed message');
    else if (message.type === 'hello') this.#onHello(message);
    else if (!this.#admitted) this.#violation('no hello');
    else this.#onPageMessage(message);
  }

  #onHello({ nonce, proof }: Extract<PageMessage, { type: 'hello' }>): void {
    clearTimeout(this.#helloTimer);
    if (this.#admitted) return this.#violation('hello again');
    const expected = this.#prove(proofText('page', this.#nonce, nonce));
    const own = this.#prove(proofText('server', this.#nonce, nonce));
    if (expected === undefined || own === undefined || !sameProof(expected, proof)) {
      this.#socket.close(CloseCode.notAdmitted, 'not admitted');
      return;
    }
    this.#admitted = true;
    this.#send({ type: 'welcome', proof: own });
    this.#provider.instance().then(
      ({ name, vms }) => this.update({ type: 'instance', name, vms }),
      (error: unknown) => this.#sendEnded(error),
    );
  }

  #onPageMessage(message: Exclude<PageMessage, { type: 'hello' }>): void {
    switch (message.type) {
      case 'open':
        if (this.#opens.take() > 0) return this.#violation('too many consoles opened');
        void this.#console.open(message.vm, message.notSecure);
        break;
      case 'ping':
        this.#send({ type: 'pong' });
        break;
      case 'shown':
        this.#console.shown(message.session, message.bytes);
        break;
      case 'break':
        this.#console.sendBreak();
        break;
      case 'sysrq':
        this.#console.sendBreak(message.key);
        break;
      case 'who':
        this.#console.ask();
        break;
      case 'take':
        this.#console.ask('write');
        break;
    }
  }

  #onClose(): void {
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#resumeTimer);
    clearInterval(this.#heartbeat);
    this.#console.leave();
  }

  #beat(): void {
    if (!this.#alive) return this.#socket.terminate();
    this.#alive = false;
    this.#socket.ping();
  }

  #violation(reason: string): void {
    this.#console.leave();
    this.#socket.close(CloseCode.policy, reason);
  }

  #sendEnded(error: unknown): void {
    this.#send({ type: 'ended', ...describe(error) });
  }

  #send(message: ServerMessage): void {
    this.#sendText(JSON.stringify(message));
  }

  #sendText(text: string): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(text);
  }
}

function parseMessage(bytes: Buffer): PageMessage | undefined {
  try {
    return pageMessageSchema.safeParse(JSON.parse(bytes.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

/** Failures that may pass by themselves: the instance or the VM comes back. */
const passing: ReadonlySet<string> = new Set([
  'E_BUSY',
  'E_CONSOLE_CLOSED',
  'E_CONSOLE_UNREACHABLE',
  'E_INSTANCE_NOT_RUNNING',
  'E_SSH',
  'E_VM_GONE',
  'E_VM_UNKNOWN',
]);

function describe(error: unknown): Omit<Extract<ServerMessage, { type: 'ended' }>, 'type'> {
  const message = messageOf(error);
  if (!(error instanceof VsbError)) return { message, retry: false };
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  const idle = error.code === 'E_CONSOLE_IDLE' ? ({ idle: true } as const) : {};
  return { message, ...hint, ...idle, retry: passing.has(error.code) };
}
