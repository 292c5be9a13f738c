/**
 * Runs one command in a VM's shell, over its console: logs in if need be, types the command, passes its
 * output on and finds out how it ended. Needs a POSIX shell there, nothing else.
 *
 * Marks tell where output begins and ends. They are typed in two halves, so that the echo of what was typed
 * never looks like one.
 */
import { randomBytes } from 'node:crypto';

import { VsbError } from '../../base/errors.js';
import { shellQuote } from '../../host/ssh.js';
import type { Conversation } from './conversation.js';

/** How long a prompt may take to answer a key, and how often it is asked. */
const PROMPT_MS = 5000;
const PROMPT_TURNS = 4;
/** How long the shell may take for a short line: a nested console carries a hundred characters a second. */
const LINE_MS = 30_000;
/** How long a login may take: it is slow where the VM is emulated, and after a wrong password. */
const LOGIN_MS = 60_000;
/** Input that a terminal in canonical mode takes for one line; BusyBox's own editor takes 1023 (its default). */
const LINE = 400;
/** Longest end mark with its line ends and status, characters. */
const END_LENGTH = 64;

const LOGIN = /login: ?$/;
const PASSWORD = /[Pp]assword: ?$/;
const NO_ENTRY = /incorrect|[Ff]ailure|denied|invalid/;

export interface ShellRunOptions {
  readonly user: string;
  /** Undefined: only where there is a shell already, or a login that asks for none. */
  readonly password: Buffer | undefined;
  /** What a prompt looks like. */
  readonly prompt: RegExp;
  /** Command line for the shell. */
  readonly command: string;
  /** For the command, milliseconds. */
  readonly timeoutMs: number;
  /** The command's output as it comes, lines ended by LF. */
  readonly onOutput: (text: string) => void;
}

/**
 * Leaves the console as it was found: logged out, if it was.
 * @returns the command's exit status
 * @throws VsbError E_CONSOLE_AUTH when the VM does not let the user in, E_EXPECT_TIMEOUT, E_CONSOLE_CLOSED
 */
export async function runInShell(talk: Conversation, options: ShellRunOptions): Promise<number> {
  const loggedIn = await reachShell(talk, options);
  const shell = new Shell(talk);
  const status = await shell.run(options);
  if (loggedIn) {
    await talk.send(Buffer.from('exit\r'));
    await talk.expect(LOGIN, LOGIN_MS);
  }
  return status;
}

/** Gets to a prompt; says whether it had to log in. */
async function reachShell(talk: Conversation, options: ShellRunOptions): Promise<boolean> {
  const { user, password, prompt } = options;
  const state = await wakeUp(talk, prompt);
  if (state === 'shell') return false;
  await talk.send(Buffer.from(`${user}\r`));
  const asked = await talk.expect(either(PASSWORD, prompt), LOGIN_MS);
  if (!PASSWORD.test(asked[0])) return true;
  if (password === undefined) {
    throw new VsbError('E_CONSOLE_AUTH', `the VM asks for the password of ${user}`, {
      layer: 'L3',
      hint: 'give it by --password-env or --password-file',
    });
  }
  await talk.sendSecret(password);
  await talk.send(Buffer.from('\r'));
  const answer = await talk.expect(either(NO_ENTRY, prompt), LOGIN_MS);
  if (!NO_ENTRY.test(answer[0])) return true;
  throw new VsbError('E_CONSOLE_AUTH', `the VM does not let ${user} in`, { layer: 'L3' });
}

async function wakeUp(talk: Conversation, prompt: RegExp): Promise<'login' | 'shell'> {
  for (let turn = 1; ; turn++) {
    // What somebody has left on the line is not ours to run.
    await talk.send(Buffer.from('\x15\r'));
    try {
      const [seen] = await talk.expect(either(LOGIN, PASSWORD, prompt), PROMPT_MS);
      if (LOGIN.test(seen)) return 'login';
      if (!PASSWORD.test(seen)) return 'shell';
    } catch (error) {
      const silent = error instanceof VsbError && error.code === 'E_EXPECT_TIMEOUT';
      if (!silent || turn >= PROMPT_TURNS) throw error;
    }
  }
}

/** One that matches what any of them matches; they are looked for at the end of what has come. */
function either(...patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map(({ source }) => `(?:${source})`).join('|'), 'm');
}

class Shell {
  readonly #talk: Conversation;
  readonly #nonce = randomBytes(6).toString('hex');
  #turn = 0;

  constructor(talk: Conversation) {
    this.#talk = talk;
  }

  async run({ command, timeoutMs, onOutput }: ShellRunOptions): Promise<number> {
    // Kernel messages would be taken for output; a narrow terminal breaks the lines that are typed.
    await this.#line('stty sane cols 1000');
    await this.#line("vsb=''");
    for (const piece of pieces(command, LINE / 4)) await this.#line(`vsb=$vsb${shellQuote(piece)}`);
    const begin = this.#mark();
    const end = this.#mark();
    // Without echo, what is typed ahead does not get into the output.
    await this.#type(
      `stty -echo; ${begin.typed}; (eval "$vsb"); vsb=$?; stty echo; printf '\\n%s%s:%s\\n' ${end.halves} "$vsb"`,
    );
    await this.#talk.expect(new RegExp(`${begin.shown}\\r*\\n`), LINE_MS);
    const endPattern = new RegExp(`\\r*\\n${end.shown}:(\\d+)\\r*\\n`);
    const [, status] = await this.#talk.passUntil(endPattern, END_LENGTH, timeoutMs, (text) => {
      if (text !== '') onOutput(text.replace(/\r+\n/g, '\n'));
    });
    return Number(status);
  }

  /** A line that runs at once, and has run when this resolves. */
  async #line(text: string): Promise<void> {
    const mark = this.#mark();
    await this.#type(`${text}; ${mark.typed}`);
    await this.#talk.expect(new RegExp(`${mark.shown}\\r*\\n`), LINE_MS);
  }

  async #type(line: string): Promise<void> {
    await this.#talk.send(Buffer.from(`${line}\r`));
  }

  #mark(): { typed: string; halves: string; shown: string } {
    const second = `${this.#nonce}-${++this.#turn}`;
    const halves = `vsb ${second}`;
    return { typed: `printf '%s%s\\n' ${halves}`, halves, shown: `vsb${second}` };
  }
}

/** Pieces of at most so many characters. */
function pieces(text: string, length: number): string[] {
  const all = [...text];
  return Array.from({ length: Math.ceil(all.length / length) }, (_, index) =>
    all.slice(index * length, (index + 1) * length).join(''),
  );
}
