/**
 * One user at one VM's console. It pulls output at its own pace from the VM's history: a slow one
 * delays nobody and is told how much it missed.
 */
import { EventEmitter } from 'node:events';

import { abortable } from '../../base/abortable.js';
import { VsbError } from '../../base/errors.js';
import type { History, HistoryChunk } from './history.js';

/** What a session may ever do: type when the console's writer (`rw`), or only look on (`ro`). */
export type SessionMode = 'rw' | 'ro';

/** Why a session ended: by its owner, because its VM is gone for good, or because the hub closed. */
export type SessionEnd = 'closed' | 'vm-gone' | 'hub-closed';

export interface SessionEvents {
  /** read() has something. */
  readable: [];
  /** write() said false and takes more now. */
  drain: [];
  /** It types now, or does no more because somebody took that over. */
  role: [writes: boolean, by: string | undefined];
  /** For the user, beside the output. */
  notice: [text: string];
  end: [reason: SessionEnd];
}

export interface SessionOptions {
  mode: SessionMode;
  /** Who it is, for lists and logs. */
  label: string;
  /** Where reading begins: at the oldest line kept (default), or with what comes from now on. */
  from?: 'start' | 'now';
  /** False for the program's own watchers, which nobody is to hear of; default true. */
  counted?: boolean;
  /** Whether to take typing over from who does it now. */
  take?: boolean;
}

/** What a session needs of its VM's console. */
export interface SessionTarget {
  readonly history: History;
  /** Who types now. */
  readonly writer: Session | undefined;
  /** What whoever comes has to know. */
  readonly warnings: readonly string[];
  /** Makes the session the writer if there is none, or by force; says whether it is now. */
  claimWriter(session: Session, force: boolean): boolean;
  writeInput(bytes: Buffer): boolean;
  sendBreak(): Promise<void>;
  sessionClosed(session: Session): void;
}

export interface SessionChunk extends HistoryChunk {
  /** Whether the VM started again before it; then it may be empty. */
  readonly startedAgain: boolean;
}

/** How much read() hands out at once if not told, bytes. */
const READ_BYTES = 32 * 1024;

export class Session extends EventEmitter<SessionEvents> {
  readonly mode: SessionMode;
  readonly label: string;
  readonly counted: boolean;
  readonly since = new Date();
  #target: SessionTarget;
  #position: number;
  /** Up to where starts of the VM have been told. */
  #startsTold: number;
  #missed = 0;
  #ended: SessionEnd | undefined;
  /** Where the output stopped being this session's: its end. */
  #limit = Number.MAX_SAFE_INTEGER;

  constructor(target: SessionTarget, options: SessionOptions) {
    super();
    // Many a watcher may wait at once through events.once().
    this.setMaxListeners(0);
    this.#target = target;
    this.mode = options.mode;
    this.label = options.label;
    this.counted = options.counted ?? true;
    this.#position = options.from === 'now' ? target.history.end : target.history.firstLine;
    this.#startsTold = this.#position;
  }

  /** Whether it is the one that types. */
  get writes(): boolean {
    return this.#target.writer === this;
  }

  /** Who types at this console, if anybody does. */
  get writerLabel(): string | undefined {
    return this.#target.writer?.label;
  }

  /** What its user has to know first. */
  get warnings(): readonly string[] {
    return this.#target.warnings;
  }

  /** Why it ended, or undefined while it lives. */
  get ended(): SessionEnd | undefined {
    return this.#ended;
  }

  /** Bytes that were overwritten before this session read them, in all. */
  get missed(): number {
    return this.#missed;
  }

  /** What it reads; another one when its VM has got its name. */
  get history(): History {
    return this.#target.history;
  }

  /** Output not read yet, bytes. */
  get pending(): number {
    const { start, end } = this.#target.history;
    return Math.max(0, Math.min(end, this.#limit) - Math.max(this.#position, start));
  }

  /** The next output, undefined if there is none (wait for 'readable'). After the end: what came before it. */
  read(limit = READ_BYTES): SessionChunk | undefined {
    const { history } = this.#target;
    const from = Math.max(this.#position, history.start);
    const { lastStart = 0 } = history;
    const startedAgain = lastStart > this.#startsTold && lastStart <= from;
    const untilStart = lastStart > from ? lastStart - from : limit;
    const chunk = history.read(this.#position, Math.min(limit, this.pending, untilStart));
    if (chunk === undefined && !startedAgain) return undefined;
    const { bytes, missed } = chunk ?? { bytes: Buffer.alloc(0), missed: 0 };
    this.#position += missed + bytes.length;
    this.#missed += missed;
    if (startedAgain) this.#startsTold = lastStart;
    return { bytes, missed, startedAgain };
  }

  /**
   * What leaves out all that has come so far but its last bytes, and does not count it as missed. To be called before
   * anything else is read.
   */
  skipToNow(kept: number): () => void {
    const skipped = this.#target.history.end - kept - this.#position;
    return () => {
      this.#position += skipped;
      this.#startsTold = this.#position;
    };
  }

  /**
   * Output as it comes, until the session ends and all is read.
   * @throws the signal's reason when it is aborted
   */
  async *chunks(signal: AbortSignal): AsyncGenerator<SessionChunk, void, void> {
    for (;;) {
      signal.throwIfAborted();
      const chunk = this.read();
      if (chunk !== undefined) yield chunk;
      else if (this.#ended !== undefined) return;
      else await this.#change(signal);
    }
  }

  /**
   * Becomes the one that types.
   * @param force whether to take that over from another session, which is told
   * @throws VsbError E_CONSOLE_REFUSED for one that only watches, and without force while another types,
   *   E_CONSOLE_CLOSED after its end
   */
  claim(force: boolean): void {
    if (this.#ended !== undefined) {
      throw new VsbError('E_CONSOLE_CLOSED', 'the console session is over', { layer: 'console' });
    }
    if (this.mode === 'ro') {
      throw new VsbError('E_CONSOLE_REFUSED', 'this session only watches', { layer: 'console' });
    }
    if (this.#target.claimWriter(this, force)) return;
    const message = `${this.writerLabel ?? 'somebody'} types at this console`;
    throw new VsbError('E_CONSOLE_REFUSED', message, { layer: 'console' });
  }

  /**
   * Types into the VM; the first to do so at a console where nobody types becomes its writer.
   * @returns false when enough is waiting (the bytes are taken all the same): wait for 'drain'
   * @throws VsbError E_CONSOLE_REFUSED for one that only watches, while another session types, and when too much
   *   waits for the VM already, E_CONSOLE_CLOSED after its end
   */
  write(bytes: Buffer): boolean {
    this.claim(false);
    return this.#target.writeInput(bytes);
  }

  /**
   * A BREAK on the VM's line.
   * @throws VsbError as claim() does, and what the link says
   */
  async sendBreak(): Promise<void> {
    this.claim(false);
    await this.#target.sendBreak();
  }

  close(): void {
    this.end('closed');
  }

  /** For the console: the session is over. */
  end(reason: SessionEnd): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#limit = this.#target.history.end;
    this.#target.sessionClosed(this);
    this.emit('end', reason);
  }

  /** For the console: its bytes are now in another history, from `position` on. */
  moveTo(target: SessionTarget, position: number): void {
    const already = Math.max(0, this.#position - this.#target.history.start);
    this.#target = target;
    this.#position = this.#startsTold = position + already;
  }

  async #change(signal: AbortSignal): Promise<void> {
    await abortable(
      (resolve) => {
        const done = (): void => resolve();
        this.on('readable', done).on('end', done);
        return () => this.off('readable', done).off('end', done);
      },
      { signal },
    );
  }
}
