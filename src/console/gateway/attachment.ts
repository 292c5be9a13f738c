/**
 * One SSH channel joined to one console session. Who types is served at once; those who look on are
 * served by the pacer, as fast as they take it, and are told what they missed.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

import type { ServerChannel } from 'ssh2';

import { ExitCode, messageOf, VsbError } from '../../base/errors.js';
import { IDLE_STATUS } from '../../contract/gateway.js';
import { unfinishedEnd } from '../../formats/unfinished.js';
import type { Session } from '../hub/session.js';
import type { Grant } from './access.js';
import type { Who } from './events.js';
import { InputSequences, PAUSE_MS, type InputToken } from '../input-sequences.js';
import { STARTED_AGAIN } from '../reset.js';
import type { Pacer } from './pacer.js';
import type { Sanitizer } from '../sanitize.js';

/** Output on its way to one client: unsent by ssh2, and unsent by the kernel, bytes. */
const CHANNEL_HIGH = 128 * 1024;
const SOCKET_HIGH = 256 * 1024;
/** The same for one that looks on: there may be a hundred of them. */
const WATCHER_HIGH = 64 * 1024;
/** Notices that a client has not taken, bytes; further ones are left out: others cause them, as often as they like. */
const NOTICE_HIGH = 16 * 1024;
/** How much a watcher gets in one turn, bytes. */
const WATCHER_BYTES = 16 * 1024;

export interface AttachmentEvents {
  close: [reason: string];
  writes: [writes: boolean];
  break: [];
}

export interface AttachmentParts {
  readonly channel: ServerChannel;
  readonly socket: Socket;
  readonly session: Session;
  readonly who: Who;
  /** What let it in; undefined for a certificate. */
  readonly grant: Grant | undefined;
  readonly pacer: Pacer;
  readonly sanitizer: Sanitizer | undefined;
  /** Whether a terminal shows it, which keeps the modes that a VM's programs have switched. */
  readonly terminal: boolean;
  /** Draws the console's screen for this client; `onTaken` is called with what it is drawn from. */
  readonly drawScreen: (onTaken: (bytes: Buffer) => void) => Promise<Buffer>;
  /** Ends after so long without a key, milliseconds; 0: never. */
  readonly idleMs: number;
  /** Whether it goes on when the client is done typing: one that never types has nothing to be done with. */
  readonly outlivesInput: boolean;
}

export class Attachment extends EventEmitter<AttachmentEvents> {
  readonly session: Session;
  readonly who: Who;
  readonly grant: Grant | undefined;
  readonly #parts: AttachmentParts;
  readonly #channel: ServerChannel;
  readonly #socket: Socket;
  readonly #idleMs: number;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Output given to ssh2 that waits for the client's window, bytes. */
  #unsent = 0;
  #finished = false;
  /** Nothing is passed on before start(). */
  #started = false;
  /** Nor while the screen is drawn. */
  #drawing: Promise<void> | undefined;
  readonly #sequences = new InputSequences();
  #pauseTimer: NodeJS.Timeout | undefined;
  /** Input that may become an answer of the terminal, while this session is not the one that types. */
  #unsure: Buffer = Buffer.alloc(0);
  /** The user was told that what is typed goes nowhere. */
  #toldReadOnly = false;

  constructor(parts: AttachmentParts) {
    super();
    this.#parts = parts;
    this.#channel = parts.channel;
    this.#socket = parts.socket;
    this.session = parts.session;
    this.who = parts.who;
    this.grant = parts.grant;
    this.#idleMs = parts.idleMs;
    const { session } = this;
    session.on('readable', this.#wake).on('end', this.#pump);
    session.on('drain', () => this.#channel.resume());
    session.on('notice', (text) => {
      // What came before it first: the start of a VM takes a full-screen program's screen away, and what is on it.
      this.#wake();
      this.notice(text);
    });
    session.on('role', this.#onRole);
    this.#socket.on('drain', this.#wake);
    this.#channel.on('data', (bytes: Buffer) => this.#onInput(bytes));
    // The client is done typing: it still gets what the VM has printed so far.
    if (!parts.outlivesInput) this.#channel.on('end', () => session.close());
    this.#channel.on('close', () => this.lost());
    this.#resetIdle();
  }

  /** The screen as it is now, where it can be drawn, then the output as it comes. */
  async startWithScreen(): Promise<void> {
    try {
      await this.redraw();
    } catch (error) {
      this.notice(`no screen from before: ${messageOf(error)}`);
    }
    this.start();
  }

  /** The output as it comes. */
  start(): void {
    if (this.#started || this.#finished) return;
    this.#started = true;
    const { session } = this;
    for (const warning of session.warnings) this.notice(warning);
    if (session.mode === 'rw' && !session.writes) {
      this.notice(`you only see this: ${session.writerLabel ?? 'somebody'} types here`);
    }
    this.#pump();
  }

  /**
   * Draws the screen as it is now. What comes meanwhile waits in the history: it belongs behind the screen, or is on it.
   * @throws VsbError when it cannot be drawn; then nothing is left out
   */
  async redraw(): Promise<void> {
    this.#drawing ??= this.#draw();
    await this.#drawing;
  }

  async #draw(): Promise<void> {
    let skip = (): void => {};
    try {
      const screen = await this.#parts.drawScreen((bytes) => {
        // A character or sequence that is not complete is on no screen: it is completed behind it.
        skip = this.session.skipToNow(unfinishedEnd(bytes).length);
      });
      skip();
      this.#parts.sanitizer?.reset();
      if (!this.#finished) this.#send(screen);
    } finally {
      this.#drawing = undefined;
      this.#wake();
    }
  }

  /** Makes it the one that types, or says why not. */
  claim(force: boolean): void {
    this.session.claim(force);
  }

  sendBreak(): void {
    this.session.sendBreak().then(
      () => this.emit('break'),
      (error: unknown) => this.notice(messageOf(error)),
    );
  }

  /** Ends it from this side. */
  hangUp(reason: string): void {
    this.#finish(reason, ExitCode.layer);
  }

  /** The client is gone. */
  lost(): void {
    this.#close('client gone');
  }

  /** For the user, beside the VM's output. */
  notice(text: string): void {
    const { writable, stderr } = this.#channel;
    if (!writable || stderr.writableLength >= NOTICE_HIGH) return;
    stderr.write(`\r\n[vsbypass: ${text}]\r\n`);
  }

  #onInput(bytes: Buffer): void {
    clearTimeout(this.#pauseTimer);
    this.#pass(bytes, this.#sequences.push(bytes));
    if (!this.#sequences.waiting) return;
    this.#pauseTimer = setTimeout(
      () => this.#pass(Buffer.alloc(0), this.#sequences.settle()),
      PAUSE_MS,
    );
  }

  /** @param tokens what the bytes, or those before them, are now known to be */
  #pass(bytes: Buffer, tokens: readonly InputToken[]): void {
    const { session } = this;
    if (session.ended !== undefined) return;
    // What a terminal says by itself is no wish to type, and every terminal that looks on answers the VM's questions.
    const typed = tokens.some(({ type }) => type === 'key' || type === 'pasted');
    if (typed) this.#resetIdle();
    if (!session.writes && !typed) {
      const waits = this.#sequences.waiting;
      this.#unsure = waits ? Buffer.concat([this.#unsure, bytes]) : Buffer.alloc(0);
      return;
    }
    const all = this.#unsure.length === 0 ? bytes : Buffer.concat([this.#unsure, bytes]);
    if (all.length === 0) return;
    this.#unsure = Buffer.alloc(0);
    try {
      if (!session.write(all)) this.#channel.pause();
    } catch (error) {
      if (!(error instanceof VsbError)) throw error;
      if (!this.#toldReadOnly) this.notice(`not typed: ${error.message}`);
      this.#toldReadOnly = true;
    }
  }

  readonly #onRole = (writes: boolean, by: string | undefined): void => {
    this.#toldReadOnly = false;
    this.emit('writes', writes);
    if (!writes) this.notice(`${by ?? 'somebody'} types here now, you only see it`);
    else if (this.#started) this.notice('you type here now');
    this.#wake();
  };

  #resetIdle(): void {
    if (this.#idleMs === 0 || this.session.mode === 'ro') return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      this.#finish(`nothing was typed for ${Math.round(this.#idleMs / 1000)} s`, IDLE_STATUS);
    }, this.#idleMs);
  }

  readonly #wake = (): void => {
    if (!this.#started) return;
    if (this.session.writes) this.#pump();
    else this.#parts.pacer.schedule(this.#turn);
  };

  /** A watcher's turn. */
  readonly #turn = (): void => {
    if (this.#passOn(WATCHER_BYTES) && this.session.pending > 0) this.#wake();
  };

  /** Passes on what there is, as long as the client takes it. */
  readonly #pump = (): void => {
    while (this.#passOn());
  };

  /** Passes one piece on; false if there is none, or the client takes no more now. */
  #passOn(limit?: number): boolean {
    if (this.#finished || !this.#started || this.#drawing !== undefined) return false;
    const [channelHigh, socketHigh] = this.session.writes
      ? [CHANNEL_HIGH, SOCKET_HIGH]
      : [WATCHER_HIGH, WATCHER_HIGH];
    if (this.#unsent >= channelHigh || this.#socket.writableLength >= socketHigh) return false;
    const chunk = this.session.read(limit);
    if (chunk === undefined) {
      this.#endIfOver();
      return false;
    }
    if (chunk.missed > 0) {
      this.#parts.sanitizer?.reset();
      this.notice(`${chunk.missed} bytes of output were missed here`);
    }
    if (chunk.startedAgain) {
      this.#parts.sanitizer?.reset();
      if (this.#parts.terminal) this.#send(Buffer.from(STARTED_AGAIN));
    }
    if (chunk.bytes.length > 0) this.#send(chunk.bytes);
    return true;
  }

  #send(bytes: Buffer): void {
    const clean = this.#parts.sanitizer?.push(bytes) ?? bytes;
    this.#unsent += clean.length;
    this.#channel.write(clean, () => {
      this.#unsent -= clean.length;
      this.#wake();
    });
  }

  #endIfOver(): void {
    switch (this.session.ended) {
      case 'closed':
        return this.#finish(undefined, ExitCode.ok);
      case 'vm-gone':
        return this.#finish(`VM '${this.who.vm}' is gone`, ExitCode.layer);
      case 'hub-closed':
        return this.#finish('the gateway is going down', ExitCode.layer);
      case undefined:
    }
  }

  #finish(notice: string | undefined, status: number): void {
    if (this.#finished) return;
    if (notice !== undefined) this.notice(notice);
    this.#channel.exit(status);
    this.#channel.end();
    this.#close(notice ?? 'detached');
  }

  #close(reason: string): void {
    if (this.#finished) return;
    this.#finished = true;
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#pauseTimer);
    this.#parts.pacer.cancel(this.#turn);
    this.#socket.off('drain', this.#wake);
    this.session.off('readable', this.#wake).off('end', this.#pump).off('role', this.#onRole);
    this.session.close();
    this.emit('close', reason);
  }
}
