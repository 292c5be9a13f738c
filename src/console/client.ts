/**
 * Our own client of the gateway, for `vsbypass console <vm>`: interactive on a terminal, or a script.
 * The gateway's host key is pinned: another key ends the attempt before anything is sent.
 */
import type { ClientChannel, ConnectConfig } from 'ssh2';

import { errnoOf, ExitCode, messageOf, VsbError, type ErrorCode } from '../errors/index.js';
import { EscapeParser, escapeHelp } from './escape.js';
import { BREAK_SIGNAL, HISTORY_VARIABLE, REFUSAL } from './gateway-protocol.js';
import { fingerprintOf } from './keys.js';
import { runScript, type ScriptStep } from './script.js';
import { RawTerminal, type TerminalInput, type TerminalOutput } from './terminal.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** A sign of life from the gateway after so long a silence, and how many may be missed. */
const KEEPALIVE_MS = 15_000;
const KEEPALIVE_MISSES = 3;
/** How long detaching may take before the connection is cut; input that the VM does not read holds it up. */
const DETACH_MS = 1000;
/** The same at the end of a script, whose last bytes matter. */
const SCRIPT_END_MS = 10_000;

export interface ConsoleTarget {
  host: string;
  port: number;
  vm: string;
  /** `SHA256:...`; nothing but this key is accepted. */
  hostKeyFingerprint: string;
  /** OpenSSH private key. Either this or the agent. */
  privateKeyPem?: string;
  /** Path of an SSH agent's socket. */
  agent?: string;
  /** What to see first: everything kept since the first boot byte, or only what comes from now on. */
  history: 'all' | 'none';
  signal: AbortSignal;
}

export interface InteractiveOptions extends ConsoleTarget {
  stdin: TerminalInput;
  stdout: TerminalOutput;
  stderr: TerminalOutput;
  /** The escape character; undefined for none. */
  escape: string | undefined;
}

export interface ScriptOptions extends ConsoleTarget {
  stdout: TerminalOutput;
  stderr: TerminalOutput;
  steps: readonly ScriptStep[];
  stripAnsi: boolean;
}

/**
 * The console on a terminal, until the user detaches.
 * @returns the exit code, 0
 * @throws VsbError E_CONSOLE_UNREACHABLE, E_CONSOLE_AUTH, E_CONSOLE_HOST_KEY, E_VM_UNKNOWN,
 *   E_CONSOLE_CLOSED; the signal's reason when it is aborted
 */
export async function runConsole(options: InteractiveOptions): Promise<ExitCode> {
  const { stdin, stdout, stderr, escape, vm, signal } = options;
  const connection = await connect(options);
  const { channel } = connection;
  const terminal = new RawTerminal(stdin, stdout);
  const parser = new EscapeParser(escape);

  let detached = false;
  const detach = (): void => {
    detached = true;
    void connection.close(DETACH_MS);
  };
  const onInput = (chunk: Buffer): void => {
    for (const action of parser.push(chunk)) {
      switch (action.type) {
        case 'data':
          if (!channel.write(action.bytes)) stdin.pause();
          break;
        case 'break':
          connection.sendBreak();
          break;
        case 'help':
          stderr.write(escapeHelp(escape ?? ''));
          break;
        case 'detach':
          stdin.off('data', onInput);
          detach();
          return;
      }
    }
  };
  const onChannelDrain = (): void => void stdin.resume();
  const onOutputDrain = (): void => void channel.resume();
  const hints = escape === undefined ? '' : `, ${escape}? help, ${escape}. detach`;
  try {
    stderr.write(`[vsbypass: secure console of ${vm}${hints}]\r\n`);
    terminal.enter();
    channel.on('data', (bytes: Buffer) => {
      if (!stdout.write(bytes)) channel.pause();
    });
    connection.onNotice((text) => stderr.write(text));
    stdout.on('drain', onOutputDrain);
    channel.on('drain', onChannelDrain);
    stdin.on('data', onInput);
    stdin.once('end', detach);
    await connection.closed;
    signal.throwIfAborted();
    if (!detached) connection.checkEnd();
    return ExitCode.ok;
  } finally {
    stdin.off('data', onInput).off('end', detach).pause();
    stdout.off('drain', onOutputDrain);
    terminal.restore();
    connection.destroy();
    if (stdin.isTTY === true) stderr.write(`\r\n[vsbypass: left the console of ${vm}]\r\n`);
  }
}

/**
 * Runs the steps; the VM's output goes to stdout as it comes, on failure its last 20 lines to stderr.
 * @returns the exit code, 0
 * @throws as {@link runConsole}, and VsbError E_EXPECT_TIMEOUT
 */
export async function runConsoleScript(options: ScriptOptions): Promise<ExitCode> {
  const { stdout, stderr, steps, stripAnsi, signal } = options;
  const connection = await connect(options);
  const { channel } = connection;
  connection.onNotice((text) => stderr.write(text));
  try {
    const peer = {
      onOutput: (listener: (bytes: Buffer | undefined) => void): void => {
        channel.on('data', (bytes: Buffer) => {
          if (!stdout.write(bytes)) {
            channel.pause();
            stdout.once('drain', () => channel.resume());
          }
          listener(bytes);
        });
        void connection.closed.then(() => listener(undefined));
      },
      send: (bytes: Buffer) =>
        new Promise<void>((resolve, reject) => {
          channel.write(bytes, (error) => (error ? reject(error) : resolve()));
          void connection.closed.then(() => resolve());
        }),
    };
    await runScript(peer, steps, { signal, stripAnsi });
    // The gateway ends the session once it has taken all input, so that nothing of it is lost.
    const orderly = await connection.close(SCRIPT_END_MS);
    signal.throwIfAborted();
    if (!orderly) {
      const message = `the VM did not take all input within ${SCRIPT_END_MS / 1000} s`;
      throw new VsbError('E_DEADLINE', message, { layer: 'console' });
    }
    return ExitCode.ok;
  } catch (error) {
    signal.throwIfAborted();
    // A refused session explains a script that got nowhere better than the script can.
    if (connection.refused()) connection.checkEnd();
    const tail = error instanceof VsbError ? error.details?.tail : undefined;
    if (Array.isArray(tail) && tail.length > 0) {
      stderr.write(`last lines of the console:\n${tail.map((line) => `  ${line}\n`).join('')}`);
    }
    throw error;
  } finally {
    connection.destroy();
  }
}

interface Connection {
  readonly channel: ClientChannel;
  /** Resolves when the session is over, for whatever reason. */
  readonly closed: Promise<void>;
  /** What the gateway says to the user beside the VM's output. */
  onNotice(listener: (text: string) => void): void;
  sendBreak(): void;
  /**
   * Detaches in an orderly way, so that what was typed arrives, or cuts the connection after `limitMs`.
   * @returns whether it was orderly
   */
  close(limitMs: number): Promise<boolean>;
  destroy(): void;
  /** Whether the gateway did not let this session begin. */
  refused(): boolean;
  /** @throws VsbError that says why the session ended, if it was not at the user's wish */
  checkEnd(): void;
}

/** Connects, checks the host key, logs in and opens the console. */
async function connect(target: ConsoleTarget): Promise<Connection> {
  const { host, port, vm, signal, history } = target;
  signal.throwIfAborted();
  const { default: ssh2 } = await import('ssh2');
  const client = new ssh2.Client();
  let offered: string | undefined;
  let lost: Error | undefined;
  const config: ConnectConfig = {
    host,
    port,
    username: vm,
    readyTimeout: CONNECT_TIMEOUT_MS,
    keepaliveInterval: KEEPALIVE_MS,
    keepaliveCountMax: KEEPALIVE_MISSES,
    algorithms: { serverHostKey: ['ssh-ed25519'] },
    hostVerifier: (key: Buffer) => {
      offered = fingerprintOf(key);
      return offered === target.hostKeyFingerprint;
    },
    ...(target.privateKeyPem === undefined ? {} : { privateKey: target.privateKeyPem }),
    ...(target.agent === undefined ? {} : { agent: target.agent }),
  };
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  const onAbort = (): void => void client.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  void closed.then(() => signal.removeEventListener('abort', onAbort));

  let status: number | undefined;
  let channel: ClientChannel;
  try {
    channel = await new Promise<ClientChannel>((resolve, reject) => {
      client.on('error', (error) => {
        lost = error;
        reject(error);
      });
      void closed.then(() => reject(lost ?? new Error('the gateway closed the connection')));
      client.once('ready', () => {
        client.setNoDelay(true);
        client.shell(false, { env: { [HISTORY_VARIABLE]: history } }, (error, opened) => {
          if (error !== undefined) {
            reject(error);
            return;
          }
          // At once: the gateway's refusal may be in the same packet as the shell's confirmation.
          opened.once('exit', (code: unknown) => {
            status = typeof code === 'number' ? code : undefined;
          });
          opened.on('close', () => client.end());
          opened.on('error', (failure: Error) => {
            lost = failure;
          });
          resolve(opened);
        });
      });
      client.connect(config);
    });
  } catch (error) {
    client.destroy();
    signal.throwIfAborted();
    throw connectError(error, target, offered);
  }

  let notices = '';
  let noticeListener: ((text: string) => void) | undefined;
  channel.stderr.on('data', (bytes: Buffer) => {
    const text = bytes.toString('utf8');
    notices = (notices + text).slice(-4096);
    // A refusal becomes the error that the session ends with; a notice is shown where it belongs.
    if (!notices.startsWith(REFUSAL)) noticeListener?.(text);
  });
  return {
    channel,
    closed,
    onNotice: (listener) => {
      noticeListener = listener;
    },
    sendBreak: () => void channel.signal(BREAK_SIGNAL),
    close: async (limitMs) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        client.destroy();
      }, limitMs);
      channel.end();
      await closed;
      clearTimeout(timer);
      return !late;
    },
    destroy: () => void client.destroy(),
    refused: () => notices.startsWith(REFUSAL),
    checkEnd: () => {
      if (status === ExitCode.ok) return;
      const said = notices
        .replace(REFUSAL, '')
        .replace(/[\r\n]+/g, ' ')
        .trim();
      if (status === ExitCode.usage) throw new VsbError('E_VM_UNKNOWN', said, { layer: 'console' });
      const reason = said || (lost === undefined ? 'the connection was cut' : messageOf(lost));
      throw new VsbError('E_CONSOLE_CLOSED', `the console session ended: ${reason}`, {
        layer: 'console',
        hint: '`vsbypass status` shows what still runs',
      });
    },
  };
}

/** Says what went wrong before the console was there. */
function connectError(
  cause: unknown,
  target: ConsoleTarget,
  offered: string | undefined,
): VsbError {
  const { host, port, vm, hostKeyFingerprint } = target;
  const where = `${host} port ${port}`;
  const make = (code: ErrorCode, message: string, hint: string): VsbError =>
    new VsbError(code, message, { layer: 'console', hint, cause });
  if (offered !== undefined && offered !== hostKeyFingerprint) {
    const message = `the SSH gateway at ${where} shows the host key ${offered}, but this instance's is ${hostKeyFingerprint}`;
    const hint = 'another program listens there, or somebody is in between: nothing was sent';
    return make('E_CONSOLE_HOST_KEY', message, hint);
  }
  const level = cause instanceof Error && 'level' in cause ? cause.level : undefined;
  if (level === 'client-authentication') {
    const message = `the SSH gateway does not accept this key for '${vm}'`;
    return make(
      'E_CONSOLE_AUTH',
      message,
      "use the instance's own key, or one from its configuration",
    );
  }
  if (level === 'agent') {
    return make(
      'E_CONSOLE_KEY',
      `the SSH agent does not answer: ${messageOf(cause)}`,
      'see ssh-add -l',
    );
  }
  const message = `cannot reach the SSH gateway at ${where}: ${errnoOf(cause) ?? messageOf(cause)}`;
  return make(
    'E_CONSOLE_UNREACHABLE',
    message,
    '`vsbypass status` shows whether the instance runs',
  );
}
