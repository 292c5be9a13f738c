/**
 * What a user sees of a console, for `vsbypass console <vm>`: interactive on a terminal, or a script;
 * the same for the secure console and for the operator's.
 */
import { ExitCode, VsbError } from '../errors/index.js';
import type { ConsoleConnection } from './connection.js';
import { EscapeParser, escapeHelp } from './escape.js';
import { runScript, type ScriptPeer, type ScriptStep } from './script.js';
import { RawTerminal, type TerminalInput, type TerminalOutput } from './terminal.js';

/** How long detaching may take before the connection is cut; input that the VM does not read holds it up. */
const DETACH_MS = 1000;
/** The same at the end of a script, whose last bytes matter. */
const SCRIPT_END_MS = 10_000;

export interface InteractiveOptions {
  vm: string;
  signal: AbortSignal;
  stdin: TerminalInput;
  stdout: TerminalOutput;
  stderr: TerminalOutput;
  /** The escape character; undefined for none. */
  escape: string | undefined;
}

export interface ScriptOptions {
  signal: AbortSignal;
  stdout: TerminalOutput;
  stderr: TerminalOutput;
  steps: readonly ScriptStep[];
  stripAnsi: boolean;
}

/**
 * A console on a terminal, until the user detaches.
 * @returns the exit code, 0
 * @throws VsbError E_CONSOLE_CLOSED, E_VM_UNKNOWN; the signal's reason when it is aborted
 */
export async function interact(
  connection: ConsoleConnection,
  options: InteractiveOptions,
): Promise<ExitCode> {
  const { stdin, stdout, stderr, escape, vm, signal } = options;
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
    stderr.write(`[vsbypass: ${connection.title}${hints}]\r\n`);
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
 * Runs the steps at a console; the VM's output goes to stdout as it comes, on failure its last 20
 * lines to stderr.
 * @throws as {@link interact}, and VsbError E_EXPECT_TIMEOUT
 */
export async function interactByScript(
  connection: ConsoleConnection,
  options: ScriptOptions,
): Promise<ExitCode> {
  const { stdout, stderr, steps, stripAnsi, signal } = options;
  connection.onNotice((text) => stderr.write(text));
  try {
    const peer = scriptPeer(connection, stdout);
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

/** A connection as scripts talk to it; what comes is also shown. */
function scriptPeer({ channel, closed }: ConsoleConnection, stdout: TerminalOutput): ScriptPeer {
  return {
    onOutput: (listener) => {
      channel.on('data', (bytes: Buffer) => {
        if (!stdout.write(bytes)) {
          channel.pause();
          stdout.once('drain', () => channel.resume());
        }
        listener(bytes);
      });
      void closed.then(() => listener(undefined));
    },
    send: (bytes) =>
      new Promise<void>((resolve, reject) => {
        channel.write(bytes, (error) => (error ? reject(error) : resolve()));
        void closed.then(() => resolve());
      }),
  };
}
