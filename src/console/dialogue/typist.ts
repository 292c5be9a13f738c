/** Someone at a console of the user VM: types, reads, logs in. Keeps what has come, to be searched. */
import { VsbError } from '../../base/errors.js';
import type { ConsoleConnection } from '../connection.js';
import { scriptPeer } from './at-console.js';
import { assertTimeout, Conversation } from './conversation.js';
import { Heard } from './heard.js';
import { logIn } from './log-in.js';
import { defaultLoginPrompt, defaultPasswordPrompt, type Prompts } from './prompts.js';
import { wakeUp, type Awake } from './wake-up.js';

/** How long a shell in the user VM may take for something small, milliseconds. */
const answerMs = 60_000;
/** Of a VM of the default image. */
const defaultPrompts: Prompts = {
  prompt: /[#$] $/,
  loginPrompt: new RegExp(defaultLoginPrompt, 'm'),
  passwordPrompt: new RegExp(defaultPasswordPrompt, 'm'),
};

export class Typist {
  readonly #connection: ConsoleConnection;
  readonly #signal: AbortSignal;
  readonly #prompts: Prompts;
  readonly #talk: Conversation;
  #heard: Buffer[] = [];
  #typedPassword = false;
  #turn = 0;
  readonly #output: Heard;
  #enter: Awake['enter'] = '\r';

  /** @param signal ends every wait */
  constructor(connection: ConsoleConnection, signal: AbortSignal, prompts = defaultPrompts) {
    this.#connection = connection;
    this.#signal = signal;
    this.#prompts = prompts;
    connection.channel.on('data', (bytes: Buffer) => this.#heard.push(bytes));
    const peer = scriptPeer(connection);
    this.#output = new Heard(peer);
    this.#talk = new Conversation(peer, { stripAnsi: true, signal });
  }

  /** Whether a login was given one, which may have led to a shell. */
  get typedPassword(): boolean {
    return this.#typedPassword;
  }

  /** All output since the last call of forget(). */
  heard(): Buffer {
    return Buffer.concat(this.#heard);
  }

  forget(): void {
    this.#heard = [];
  }

  type(text: string): void {
    this.#connection.channel.write(Buffer.from(text, 'latin1'));
  }

  /**
   * Waits for output that matches, after what matched before.
   * @throws VsbError E_EXPECT_TIMEOUT, E_CONSOLE_CLOSED; the signal's reason
   */
  async expect(pattern: RegExp, timeoutMs = answerMs): Promise<RegExpExecArray> {
    return await this.#heeding(() => this.#talk.expect(pattern, timeoutMs));
  }

  /**
   * Waits until somebody is to type, and says at what: a login that asks for a name, or a shell.
   * @throws as expect() does
   */
  async expectPrompt(): Promise<'login' | 'shell'> {
    const { loginPrompt, prompt } = this.#prompts;
    const [found] = await this.expect(new RegExp(`(?:${loginPrompt.source})|(?:${prompt.source})`));
    return loginPrompt.test(found) ? 'login' : 'shell';
  }

  /**
   * Gets to a shell prompt, by logging in if need be.
   * @throws VsbError E_EXPECT_TIMEOUT when there is neither a login nor a shell, E_CONSOLE_AUTH; as expect() does
   */
  async logIn(password: Buffer | string | undefined, user = 'root'): Promise<void> {
    await this.#heeding(async () => {
      const awake = await this.#wakeUp();
      this.#enter = awake.enter;
      const typesPassword = (): void => {
        this.#typedPassword = true;
      };
      const secret = password === undefined ? undefined : Buffer.from(password);
      const login = { user, password: secret, ...awake, typesPassword };
      await logIn(this.#talk, this.#output, { ...this.#prompts, ...login });
    });
    // A shell that wraps its lines would write something into what is typed.
    await this.run('stty sane; stty cols 200');
  }

  async #wakeUp(): Promise<Awake> {
    try {
      return await wakeUp(this.#talk, this.#output, this.#prompts);
    } catch (error) {
      assertTimeout(error);
      throw new VsbError('E_EXPECT_TIMEOUT', 'the console shows neither a login nor a shell', {
        ...{ layer: 'L3', cause: error, details: error.details },
        hint: 'Leave what runs there: `vsbypass console`.',
      });
    }
  }

  async #heeding<T>(talk: () => Promise<T>): Promise<T> {
    try {
      return await talk();
    } catch (error) {
      this.#signal.throwIfAborted();
      // The connection knows better why it ended.
      if (error instanceof VsbError && error.code === 'E_CONSOLE_CLOSED') {
        this.#connection.checkEnd();
      }
      throw error;
    }
  }

  /** Runs a command in the shell there and waits for its end. */
  async run(command: string): Promise<void> {
    await this.start(command);
  }

  /**
   * Types a command followed by a mark that only its end prints, calls back once the line is echoed (the
   * command runs), and waits for the mark, by default here.
   */
  async start(
    command: string,
    meanwhile: () => Promise<Typist> = () => Promise.resolve(this),
  ): Promise<void> {
    const turn = ++this.#turn;
    this.type(`${command}; echo do''ne-${turn}${this.#enter}`);
    await this.expect(new RegExp(`do''ne-${turn}\\r+\\n`));
    const where = await meanwhile();
    await where.expect(new RegExp(`done-${turn}\\r+\\n`));
    await where.expect(this.#prompts.prompt);
  }
}
