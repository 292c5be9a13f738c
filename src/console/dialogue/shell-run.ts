/**
 * Runs one command in a VM's shell, over its console: logs in if need be, hands the command over, passes its
 * output on and finds out how it ended. Needs a POSIX shell there, nothing else.
 *
 * Only a few words are typed at the prompt: line editors draw each character, and a nested console is slow. All else is
 * read as data, line by line, first what turns the echo off. So neither the line editor nor the terminal's limits
 * touch the command; the shell checks that all of it has come before it runs anything. Marks tell where output begins and
 * ends. They are put together in the VM from two halves, so that no echo looks like one, and the last is printed twice:
 * what the kernel prints meanwhile may split one of them.
 */
import { randomBytes } from 'node:crypto';

import { VsbError } from '../../base/errors.js';
import {
  assertTimeout,
  Conversation,
  type ConversationOptions,
  type ScriptPeer,
} from './conversation.js';
import { Heard } from './heard.js';
import { LastWords } from './last-words.js';
import { LOGIN_MS, logIn, MOTD_QUIET_MS, type LoginOptions } from './log-in.js';
import { QUIET_MS, either, suloginPrompt } from './prompts.js';
import { Secrets } from './secrets.js';
import { forget, logOut, programLines, quietLine } from './shell-program.js';
import { wakeUp, type Awake, type WakeUpOptions } from './wake-up.js';

/** How long the shell may take for a short line: a nested console carries a hundred characters a second. */
const LINE_MS = 30_000;
/** How long the VM may take to ask for a name again; one that shuts down never does. */
const LOGOUT_MS = 5000;
/** 128 and SIGHUP, SIGKILL, SIGTERM: init's at a shutdown. How long the VM may take to have gone down then. */
const endedByShutdown = new Set([129, 137, 143]);
const LAST_WORDS_MS = 5000;
/** For ending what runs and logging out, when the command does not get to its end: as long as a login may take. */
const TIDY_MS = LOGIN_MS;
/** How long a command may take to end by a signal, if nothing else is said. */
const SIGNAL_MS = 4000;
/** What may be on its way to the shell before it has acknowledged any of it: terminals keep 4095 characters. */
const AHEAD = 2048;

export interface ShellRunOptions extends WakeUpOptions, LoginOptions {
  /** Command line for the shell. */
  readonly command: string;
  /** For the command, milliseconds. */
  readonly timeoutMs: number;
  /** The command's output as it comes, byte for byte as it was written. */
  readonly onOutput: (bytes: Buffer) => void;
  /** Ends the command; the console is left in order all the same. */
  readonly signal: AbortSignal;
  /** How long the command may take to end by a signal, milliseconds. */
  readonly signalMs?: number;
  /** How long it may take to leave the console as it was found when the command does not get to its end, milliseconds. */
  readonly tidyMs?: number;
  /** The console could not be left as it was found: the user may be logged in there, and the command may run. */
  readonly onLeftOpen?: () => void;
}

/**
 * Leaves the console as it was found: with the terminal's settings that it had, and logged out, if it was. That holds for
 * every end but that of the connection.
 * @returns the command's exit status; 0 for one that has shut the VM down, or restarted it
 * @throws VsbError E_CONSOLE_AUTH when the VM does not let the user in, E_EXPECT_TIMEOUT, E_CONSOLE_CLOSED; the
 *   signal's reason when it is aborted
 */
export async function runInShell(peer: ScriptPeer, options: ShellRunOptions): Promise<number> {
  const run = new ShellRun(peer, options);
  try {
    const status = await run.run();
    await run.leave();
    return status;
  } catch (error) {
    await run.tidyUp(error);
    throw error;
  }
}

/** How far it has got. */
type Stage = 'outside' | 'password' | 'shell' | 'running' | 'ended';

class ShellRun {
  readonly #peer: ScriptPeer;
  readonly #options: ShellRunOptions;
  readonly #nonce = randomBytes(6).toString('hex');
  readonly #endMark = `vsb${this.#nonce}>`;
  readonly #end = new RegExp(`(?:\\r*\\n)?${this.#endMark}(\\d+)\\.\\r*\\n`);
  #stage: Stage = 'outside';
  #loggedIn = false;
  /** Where it has logged in. */
  #door: keyof typeof logOut = 'login';
  #enter: Awake['enter'] = '\r';
  /** `$-` as it was. */
  #shellOptions = '';
  /** With the program that runs the command. Where we have logged in, that ends the shell, too. */
  #talk: Conversation | undefined;
  readonly #heard: Heard;
  readonly #secrets = new Secrets();

  constructor(peer: ScriptPeer, options: ShellRunOptions) {
    this.#peer = peer;
    this.#options = options;
    this.#heard = new Heard(peer);
    if (options.password !== undefined) this.#secrets.add(options.password);
  }

  async run(): Promise<number> {
    const { command, timeoutMs, onOutput, signal } = this.#options;
    await this.#reachShell();
    const down = new AbortController();
    const ended = AbortSignal.any([signal, down.signal]);
    const talk = this.#conversation({ bytes: true, signal: ended });
    this.#talk = talk;
    this.#stage = 'running';
    const again = 'read -r vsb;eval "$vsb"';
    await talk.send(Buffer.from(`${again}${this.#enter}`));
    await talk.send(Buffer.from(`${quietLine(this.#nonce, again)}\n`));
    const [, options = ''] = await talk.expect(this.#mark('\\+(\\w*)'), LINE_MS);
    this.#shellOptions = options;
    // The terminal hangs up with its session, and drops what it has not sent; stty waits for that (TCSADRAIN).
    const end = this.#loggedIn
      ? `stty sane;${logOut[this.#door]}`
      : `stty "$vsbt";${forget(options)}`;
    await this.#type(talk, programLines(command, end));
    const begun = await talk.expect(this.#mark('[<!]'), LINE_MS);
    if (begun[0].includes('!')) {
      this.#stage = 'ended';
      const text = 'the VM did not get the command as it was typed; nothing was run';
      throw new VsbError('E_CONSOLE_CLOSED', text, { layer: 'L3' });
    }
    const lastWords = new LastWords(() => down.abort());
    try {
      const [, status] = await talk.passUntil(this.#end, this.#endMark, timeoutMs, (text) => {
        if (text === '') return;
        // The terminal has put one CR before every LF.
        onOutput(Buffer.from(text.replaceAll('\r\n', '\n'), 'latin1'));
        lastWords.listen(text);
      });
      this.#stage = 'ended';
      if (endedByShutdown.has(Number(status))) await this.#awaitLastWords(talk, lastWords);
      return Number(status);
    } catch (error) {
      if (!down.signal.aborted || signal.aborted) throw error;
      // Nobody is left to say how the command ended, nor to log out.
      this.#stage = 'outside';
      this.#loggedIn = false;
      return 0;
    } finally {
      lastWords.stop();
    }
  }

  /**
   * A VM that goes down ends all that runs, also the command that asked for it. It goes on to its last words, which end
   * the talk; one that asks for a name again does not go down.
   */
  async #awaitLastWords(talk: Conversation, lastWords: LastWords): Promise<void> {
    const back = this.#loggedIn ? this.#outside : /(?!)/;
    try {
      // Nothing is held back: no text of a terminal begins so.
      await talk.passUntil(back, '\0', LAST_WORDS_MS, (text) => lastWords.listen(text));
      this.#loggedIn = false;
    } catch (error) {
      assertTimeout(error);
    }
  }

  /** Logs out, if it was not logged in before. What shuts down does not ask for a name again. */
  async leave(signal = this.#options.signal): Promise<void> {
    if (!this.#loggedIn) return;
    const reading = { stripAnsi: true, signal };
    const ended = this.#stage === 'ended' ? this.#talk : undefined;
    const talk = ended?.continued(reading) ?? this.#conversation(reading);
    if (ended === undefined) await talk.send(Buffer.from(`${logOut[this.#door]}${this.#enter}`));
    try {
      await talk.expectAtEnd(this.#outside, LOGOUT_MS, 0);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof VsbError)) throw error;
    }
  }

  /** Ends what runs, gives the terminal its settings back, and logs out. Gives up after a while. */
  async tidyUp(reason: unknown): Promise<void> {
    const refused = reason instanceof VsbError && reason.code === 'E_CONSOLE_AUTH';
    if (this.#stage === 'outside' || refused) return;
    const signal = AbortSignal.timeout(this.#options.tidyMs ?? TIDY_MS);
    try {
      if (this.#stage === 'password') await this.#awaitLogin(signal);
      if (this.#stage === 'running') await this.#interrupt(signal);
      await this.leave(signal);
    } catch (error) {
      // Why the command failed is what the caller gets; this comes beside it.
      if (!(error instanceof VsbError) && !signal.aborted) throw error;
      this.#options.onLeftOpen?.();
    }
  }

  /** A login that was under way may still succeed. */
  async #awaitLogin(signal: AbortSignal): Promise<void> {
    const outside = this.#outside;
    const talk = this.#conversation({ stripAnsi: true, signal });
    // The password may not have been typed to its end.
    await talk.send(Buffer.from(this.#enter));
    const limitMs = this.#options.tidyMs ?? TIDY_MS;
    const any = either(outside, this.#options.prompt);
    const [seen] = await talk.expectAtEnd(any, limitMs, MOTD_QUIET_MS);
    this.#loggedIn = !outside.test(seen);
  }

  async #interrupt(signal: AbortSignal): Promise<void> {
    const { prompt, loginPrompt, signalMs = SIGNAL_MS } = this.#options;
    const prompts = this.#conversation({ stripAnsi: true, signal });
    const marks = this.#conversation({ bytes: true, signal });
    // SIGINT, SIGQUIT, and for what ignores both: stopped by the terminal, and killed as the shell's job.
    for (const key of ['\x03', '\x1c', '\x1a']) {
      // By a signal, or just now by itself; then the program has gone on to its own end.
      if (this.#programEnded()) return;
      prompts.forget();
      await prompts.send(Buffer.from(key));
      try {
        const [seen] = await prompts.expectAtEnd(either(loginPrompt, prompt), signalMs, QUIET_MS);
        if (this.#programEnded()) return;
        // The command may show one, of another system.
        if (!loginPrompt.test(seen)) break;
      } catch (error) {
        signal.throwIfAborted();
        assertTimeout(error);
      }
    }
    const kill = 'kill -9 %% 2>/dev/null;';
    const restore = `stty "\${vsbt:-sane}";${forget(this.#shellOptions)}`;
    await marks.send(
      Buffer.from(`\x15${kill}${restore};printf 'vsb%s~\\n' ${this.#nonce}${this.#enter}`),
    );
    await marks.expect(this.#mark('~'), LINE_MS);
    this.#stage = 'shell';
  }

  #programEnded(): boolean {
    if (this.#talk?.hasCome(this.#end) === true) this.#stage = 'ended';
    return this.#stage === 'ended';
  }

  /** Gets to a prompt. */
  async #reachShell(): Promise<void> {
    const { signal } = this.#options;
    const talk = this.#conversation({ stripAnsi: true, signal });
    const awake = await wakeUp(talk, this.#heard, this.#options);
    this.#enter = awake.enter;
    if (awake.at === 'shell') {
      this.#stage = 'shell';
      return;
    }
    this.#door = awake.at;
    const typesPassword = (): void => {
      this.#stage = 'password';
    };
    await logIn(talk, this.#heard, { ...this.#options, ...awake, typesPassword });
    this.#loggedIn = true;
    this.#stage = 'shell';
  }

  /** Lines that the VM acknowledges, each as soon as there is room for it. */
  async #type(talk: Conversation, lines: readonly string[]): Promise<void> {
    const waiting: number[] = [];
    let ahead = 0;
    for (const line of lines) {
      ahead += line.length;
      while (ahead > AHEAD) {
        await talk.expect(this.#mark('\\+'), LINE_MS);
        ahead -= waiting.shift() ?? ahead;
      }
      await talk.send(Buffer.from(`${line}\n`));
      waiting.push(line.length);
    }
  }

  /** What the console shows where nobody is logged in. */
  get #outside(): RegExp {
    return this.#door === 'sulogin' ? suloginPrompt : this.#options.loginPrompt;
  }

  #conversation(options: ConversationOptions): Conversation {
    return new Conversation(this.#peer, { ...options, secrets: this.#secrets });
  }

  #mark(kind: string): RegExp {
    return new RegExp(`vsb${this.#nonce}${kind}\\r*\\n`);
  }
}
