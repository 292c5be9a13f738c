/**
 * A console on the user's terminal: keys to the VM or to this program, output to the screen and to a
 * recording, and a new connection where the old one broke.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { ExitCode, messageOf, VsbError, type ErrorCode } from '../../base/errors.js';
import { terminalSizeCommand } from '../../base/terminal-size.js';
import type { ConsoleConnection } from '../connection.js';
import { EscapeParser, escapeHelp, type EscapeAction, type EscapeCommand } from './escape.js';
import { OutputModes } from './output-modes.js';
import type { Recording } from './recording.js';
import { PAUSE_MS } from '../input-sequences.js';
import { RawTerminal, sizeOf, type TerminalInput, type TerminalOutput } from './terminal.js';

/** How long detaching may take before the connection is cut; input that the VM does not read holds it up. */
const DETACH_MS = 1000;
/** How long an ESC waits for what may follow it: reads end anywhere, over a slow line above all. */
const SEQUENCE_MS = 25;
/** Pauses between attempts to connect again, milliseconds: the first, and the longest. */
const RETRY_MS = { first: 200, longest: 3000 } as const;
/** What no further attempt can mend, or is not to. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'E_CONSOLE_AUTH',
  'E_CONSOLE_HOST_KEY',
  'E_CONSOLE_IDLE',
  'E_CONSOLE_KEY',
  'E_CONSOLE_REFUSED',
  'E_INSTANCE_UNKNOWN',
]);

/** Connects anew; the signal ends the attempt, and later the connection. */
export type Reconnect = (signal: AbortSignal) => Promise<ConsoleConnection>;

export interface InteractiveOptions {
  vm: string;
  signal: AbortSignal;
  stdin: TerminalInput;
  stdout: TerminalOutput;
  stderr: TerminalOutput;
  /** The escape character; undefined for none. */
  escape: string | undefined;
  recording?: Recording | undefined;
  /** A terminal that knows no control sequences. */
  dumb?: boolean;
  /** Connects anew where the connection broke; without it the console ends then. */
  reconnect?: Reconnect | undefined;
}

/**
 * Any console on a terminal, until the user detaches.
 * @returns the exit code, 0
 * @throws VsbError E_CONSOLE_CLOSED, E_VM_UNKNOWN; the signal's reason when it is aborted
 */
export async function interact(
  connection: ConsoleConnection,
  options: InteractiveOptions,
): Promise<ExitCode> {
  const session = new InteractiveConsole(options);
  return await session.run(connection);
}

class InteractiveConsole {
  readonly #options: InteractiveOptions;
  readonly #terminal: RawTerminal;
  readonly #parser: EscapeParser;
  readonly #modes = new OutputModes();
  /** Aborted when the user wants to leave. */
  readonly #left = new AbortController();
  /** Undefined while there is none. */
  #connection: ConsoleConnection | undefined;
  #flushTimer: NodeJS.Timeout | undefined;

  constructor(options: InteractiveOptions) {
    this.#options = options;
    this.#terminal = new RawTerminal(options.stdin, options.stdout, options.dumb !== true);
    this.#parser = new EscapeParser(options.escape);
  }

  async run(first: ConsoleConnection): Promise<ExitCode> {
    const { vm, stdin, stdout, stderr, escape, signal } = this.#options;
    const hints = escape === undefined ? '' : `, ${escape}? help, ${escape}. detach`;
    const ended = (): void => this.#leave();
    let connection: ConsoleConnection | undefined = first;
    try {
      // Who reads the title may type: no key is the terminal driver's any more.
      this.#terminal.enter();
      stderr.write(`[vsbypass: ${first.title}${hints}]\r\n`);
      stdin.on('data', this.#onInput).once('end', ended);
      stdout.on('drain', this.#onOutputDrain).on('resize', this.#onResize);
      while (connection !== undefined) {
        await this.#attend(connection);
        signal.throwIfAborted();
        if (this.#left.signal.aborted) break;
        connection = await this.#again(connection);
      }
      return ExitCode.ok;
    } finally {
      clearTimeout(this.#flushTimer);
      stdin.off('data', this.#onInput).off('end', ended).pause();
      stdout.off('drain', this.#onOutputDrain).off('resize', this.#onResize);
      this.#terminal.restore();
      this.#connection?.destroy();
      if (stdin.isTTY === true) stderr.write(`\r\n[vsbypass: left the console of ${vm}]\r\n`);
    }
  }

  /** Serves one connection until it is over. */
  async #attend(connection: ConsoleConnection): Promise<void> {
    const { stdin, stdout, stderr, recording } = this.#options;
    this.#connection = connection;
    this.#parser.connected = true;
    const { channel } = connection;
    channel.on('data', (bytes: Buffer) => {
      recording?.output(bytes);
      const more = stdout.write(bytes);
      if (this.#modes.push(bytes)) this.#terminal.markPastesAgain();
      this.#terminal.alternateScreen = this.#modes.alternateScreen;
      this.#terminal.undo = this.#modes.undo;
      if (!more) channel.pause();
    });
    connection.onNotice((text) => stderr.write(text));
    channel.on('drain', () => void stdin.resume());
    stdin.resume();
    await connection.closed;
    connection.destroy();
  }

  /**
   * A new connection after one that broke; undefined when the user has given up.
   * @throws VsbError what ended the old one, if that is final or no new one is wanted
   */
  async #again(broken: ConsoleConnection): Promise<ConsoleConnection | undefined> {
    const { reconnect, stdin, stderr, signal } = this.#options;
    this.#connection = undefined;
    this.#parser.connected = false;
    // It waited for the VM to take what was typed before.
    stdin.resume();
    const why = endOf(broken);
    if (why === undefined) return undefined;
    if (reconnect === undefined || FINAL.has(why.code)) throw why;
    stderr.write(`\r\n[vsbypass: ${why.message}; connecting again, ^C gives up]\r\n`);
    const over = AbortSignal.any([signal, this.#left.signal]);
    for (let pause: number = RETRY_MS.first; ; pause = Math.min(RETRY_MS.longest, pause * 2)) {
      await delay(pause, undefined, { signal: over }).catch(() => undefined);
      signal.throwIfAborted();
      if (this.#left.signal.aborted) return undefined;
      try {
        return await this.#attempt(reconnect);
      } catch (error) {
        signal.throwIfAborted();
        if (this.#left.signal.aborted) return undefined;
        if (!(error instanceof VsbError) || FINAL.has(error.code)) throw error;
      }
    }
  }

  /** One attempt to connect again, which ends when the user leaves. */
  async #attempt(reconnect: Reconnect): Promise<ConsoleConnection> {
    const { signal, stderr } = this.#options;
    const attempt = new AbortController();
    const stop = (): void => attempt.abort();
    this.#left.signal.addEventListener('abort', stop);
    try {
      const connection = await reconnect(AbortSignal.any([signal, attempt.signal]));
      stderr.write(`[vsbypass: connected again]\r\n`);
      return connection;
    } finally {
      // A connection that is there ends in an orderly way.
      this.#left.signal.removeEventListener('abort', stop);
    }
  }

  readonly #onInput = (chunk: Buffer): void => {
    clearTimeout(this.#flushTimer);
    this.#parser.passPasteMarks = this.#modes.pasteMarks;
    this.#act(this.#parser.push(chunk));
    if (!this.#parser.waiting) return;
    this.#flushTimer = setTimeout(() => {
      this.#act(this.#parser.flush());
      this.#flushTimer = setTimeout(() => this.#act(this.#parser.settle()), PAUSE_MS - SEQUENCE_MS);
    }, SEQUENCE_MS);
  };

  #act(actions: readonly EscapeAction[]): void {
    for (const action of actions) {
      if (action.type === 'data') this.#type(action.bytes);
      else this.#command(action.type);
    }
  }

  #type(bytes: Buffer): void {
    // While there is no connection it goes nowhere: nobody should type blindly.
    if (this.#connection === undefined) return;
    this.#options.recording?.typed(bytes);
    if (!this.#connection.channel.write(bytes)) this.#options.stdin.pause();
  }

  #command(command: EscapeCommand): void {
    const { stdin, stdout, stderr, escape } = this.#options;
    switch (command) {
      case 'detach':
        return this.#leave();
      case 'suspend':
        this.#terminal.suspend();
        stdin.resume();
        if (this.#modes.alternateScreen) this.#command('replay');
        return;
      case 'help':
        return void stderr.write(escapeHelp(escape ?? ''));
      case 'break':
        return this.#connection?.sendBreak();
      case 'take':
        return this.#ask('write');
      case 'who':
        return this.#ask('who');
      case 'status':
        return this.#ask('status');
      case 'replay':
        return this.#ask('redraw');
      case 'size': {
        const size = sizeOf(stdout);
        if (size !== undefined) this.#type(Buffer.from(terminalSizeCommand(size)));
      }
    }
  }

  /** Asks the gateway, and shows what it says. */
  #ask(verb: string): void {
    const { stderr, stdout } = this.#options;
    this.#connection?.ask(verb, sizeOf(stdout)).then(
      (answer) => {
        // Answers for people begin on a line of their own.
        if (answer.length > 0) stderr.write(`\r\n${answer.toString().replace(/\r?\n/g, '\r\n')}`);
      },
      (error: unknown) => stderr.write(`\r\n[vsbypass: ${messageOf(error)}]\r\n`),
    );
  }

  #leave(): void {
    this.#options.stdin.off('data', this.#onInput);
    this.#left.abort();
    void this.#connection?.close(DETACH_MS);
  }

  readonly #onOutputDrain = (): void => void this.#connection?.channel.resume();

  readonly #onResize = (): void => {
    const size = sizeOf(this.#options.stdout);
    if (size === undefined) return;
    this.#connection?.resize(size);
    this.#options.recording?.resize(size);
  };
}

/** Why a connection ended, if not as it should. */
function endOf(connection: ConsoleConnection): VsbError | undefined {
  try {
    connection.checkEnd();
    return undefined;
  } catch (error) {
    if (error instanceof VsbError) return error;
    throw error;
  }
}
