/**
 * One page, joined to at most one console at a time. What comes from the page is hostile until it has
 * been checked; whatever it does, only its own console is affected.
 */
import type { RawData, WebSocket } from 'ws';

import { messageOf, VsbError } from '../base/errors.js';
import type { ConsoleConnection } from '../console/connection.js';
import { sameProof, secret } from './admission.js';
import { pageMessageSchema, whoSchema, type PageMessage, type ServerMessage } from './messages.js';
import { INPUT_PIECE, INPUT_WINDOW, OUTPUT_WINDOW, proofText } from './page/limits.js';
import type { ConsoleProvider } from './provider.js';
import { Rate } from './rate.js';

/** A page that has sent no `hello` by then is dropped, milliseconds. */
const HELLO_MS = 5000;
/** A sign of life is asked for so often; a page that does not give it is dropped, milliseconds. */
const HEARTBEAT_MS = 20_000;
/** How long a console may take to end in an orderly way, milliseconds. */
const DETACH_MS = 1000;
/** Messages a second for long, and at once. Typing, pasting and a mouse stay far below. */
const MESSAGES_PER_SECOND = 500;
const MESSAGES_AT_ONCE = 1000;
/** Opening a console costs a login: a second for long, and at once. */
const OPENS_PER_SECOND = 1;
const OPENS_AT_ONCE = 10;

/** Status codes of RFC 6455, 7.4.1 and ours (4000 on). */
export const CloseCode = { goingAway: 1001, policy: 1008, notAdmitted: 4403 } as const;

/** The console that is open, or being opened. */
interface Open {
  readonly vm: string;
  readonly session: number;
  readonly secure: boolean;
  readonly abort: AbortController;
  connection?: ConsoleConnection;
  /** Output sent and not on the screen yet, and input not taken yet, bytes. */
  unshown: number;
  untaken: number;
  /** The gateway is being asked who is there. */
  asking: boolean;
}

export class WebSession {
  readonly #socket: WebSocket;
  readonly #provider: ConsoleProvider;
  readonly #prove: (text: string) => string | undefined;
  readonly #nonce = secret();
  readonly #rate = new Rate(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE);
  readonly #opens = new Rate(OPENS_PER_SECOND, OPENS_AT_ONCE);
  readonly #helloTimer: NodeJS.Timeout;
  readonly #heartbeat: NodeJS.Timeout;
  #resumeTimer: NodeJS.Timeout | undefined;
  #admitted = false;
  #alive = true;
  #open: Open | undefined;
  /** Consoles opened so far. */
  #count = 0;
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
    const open = this.#open;
    const now = instance.vms.find(({ name }) => name === open?.vm);
    if (open === undefined || now === undefined || now.secure === open.secure) return;
    this.#leave();
    // Not another attempt by itself: what comes next may be a console that others read.
    this.#send({
      type: 'ended',
      message: now.secure
        ? `COM1 of ${now.name} is shadowed again: this was the operator's console`
        : `COM1 of ${now.name} has been left to L2: its console is not secure any more`,
      retry: now.secure,
    });
  }

  /** The server is going down. */
  close(): void {
    this.#leave();
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
      if (this.#admitted) this.#onInput(bytes);
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
    const open = this.#open;
    switch (message.type) {
      case 'open':
        if (this.#opens.take() > 0) return this.#violation('too many consoles opened');
        void this.#openConsole(message.vm, message.notSecure);
        break;
      case 'shown':
        // What an earlier console has printed may be shown late.
        if (open === undefined || message.session !== open.session) return;
        if (message.bytes > open.unshown) return this.#violation('more shown than was sent');
        open.unshown -= message.bytes;
        if (open.unshown < OUTPUT_WINDOW / 2) open.connection?.channel.resume();
        break;
      case 'break':
        open?.connection?.sendBreak();
        break;
      case 'who':
        if (open !== undefined) void this.#ask(open, undefined);
        break;
      case 'take':
        if (open !== undefined) void this.#ask(open, 'write');
        break;
      case 'sysrq':
        open?.connection?.sendBreak();
        // Without a BREAK before it the key would be typed into whatever runs there.
        if (open?.secure === true) open.connection?.channel.write(message.key);
        break;
    }
  }

  #onInput(bytes: Buffer): void {
    const open = this.#open;
    // Typed while the console was ending: there is nobody to take it.
    if (open?.connection === undefined || bytes.length === 0) return;
    if (bytes.length > INPUT_PIECE) return this.#violation('too much input at once');
    open.untaken += bytes.length;
    if (open.untaken > INPUT_WINDOW) return this.#violation('more input than the window allows');
    open.connection.channel.write(bytes, () => {
      open.untaken -= bytes.length;
      if (this.#open === open) this.#send({ type: 'taken', bytes: bytes.length });
    });
  }

  async #openConsole(vm: string, notSecure: boolean): Promise<void> {
    this.#leave();
    const abort = new AbortController();
    const pending: Open = {
      vm,
      session: ++this.#count,
      secure: true,
      abort,
      unshown: 0,
      untaken: 0,
      asking: false,
    };
    this.#open = pending;
    try {
      const found = await this.#provider.find(vm);
      if (this.#open !== pending) return;
      if (!found.secure && !notSecure) {
        this.#open = undefined;
        this.#send({ type: 'not-secure', vm });
        return;
      }
      const open: Open = { ...pending, secure: found.secure };
      this.#open = open;
      const connection = await found.open(abort.signal);
      if (this.#open !== open) {
        connection.destroy();
        return;
      }
      open.connection = connection;
      this.#send({ type: 'opened', vm, secure: open.secure, session: open.session });
      this.#join(open, connection);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#open = undefined;
      this.#sendEnded(error);
    }
  }

  #join(open: Open, connection: ConsoleConnection): void {
    const { channel } = connection;
    connection.onNotice((text) => {
      if (this.#open !== open) return;
      this.#send({ type: 'notice', text });
      // Another one may type now.
      void this.#ask(open, undefined);
    });
    void this.#ask(open, undefined);
    channel.on('data', (bytes: Buffer) => {
      if (this.#open !== open) return;
      open.unshown += bytes.length;
      if (open.unshown >= OUTPUT_WINDOW) channel.pause();
      this.#socket.send(bytes);
    });
    void connection.closed.then(() => {
      if (this.#open !== open) return;
      this.#open = undefined;
      try {
        connection.checkEnd();
        this.#sendEnded(new VsbError('E_CONSOLE_CLOSED', 'the console session is over'));
      } catch (error) {
        this.#sendEnded(error);
      }
    });
  }

  /** Asks the gateway a verb, if one is given, and tells the page who is at the console then. */
  async #ask(open: Open, verb: 'write' | undefined): Promise<void> {
    // L2's operator has no such lists. One question at a time: each costs the gateway a channel.
    if (!open.secure || open.connection === undefined || open.asking) return;
    open.asking = true;
    try {
      if (verb !== undefined) await open.connection.ask(verb);
      const answer = await open.connection.ask('who json');
      const { sessions } = whoSchema.parse(JSON.parse(answer.toString('utf8')));
      if (this.#open === open) this.#send({ type: 'who', sessions });
    } catch (error) {
      // A console that is ending says so by itself.
      if (this.#open === open && error instanceof VsbError) {
        this.#send({ type: 'notice', text: error.message });
      }
    } finally {
      open.asking = false;
    }
  }

  /** Lets the console go that is open or being opened. */
  #leave(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    if (open.connection === undefined) {
      open.abort.abort(new VsbError('E_CONSOLE_CLOSED', 'the page has left this console'));
      return;
    }
    // Output that nobody wants any more must not hold up the end.
    open.connection.channel.resume();
    void open.connection.close(DETACH_MS);
  }

  #onClose(): void {
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#resumeTimer);
    clearInterval(this.#heartbeat);
    this.#leave();
  }

  #beat(): void {
    if (!this.#alive) return this.#socket.terminate();
    this.#alive = false;
    this.#socket.ping();
  }

  #violation(reason: string): void {
    this.#leave();
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
  'E_CONSOLE_CLOSED',
  'E_CONSOLE_UNREACHABLE',
  'E_INSTANCE_NOT_RUNNING',
  'E_SSH',
  'E_VM_UNKNOWN',
]);

function describe(error: unknown): { message: string; hint?: string; retry: boolean } {
  const message = messageOf(error);
  if (!(error instanceof VsbError)) return { message, retry: false };
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return { message, ...hint, retry: passing.has(error.code) };
}
