/** A script at a console, the secure one or the operator's. */
import { ExitCode, VsbError } from '../../base/errors.js';
import type { TerminalOutput } from '../client/terminal.js';
import type { ConsoleConnection } from '../connection.js';
import { Sanitizer } from '../sanitize.js';
import type { ScriptPeer } from './conversation.js';
import { runScript, type ScriptStep } from './script.js';

/** How long the end of a script may take: its last bytes matter. */
const SCRIPT_END_MS = 10_000;

export interface ScriptOptions {
  signal: AbortSignal;
  stdout: TerminalOutput;
  stderr: TerminalOutput;
  steps: readonly ScriptStep[];
  stripAnsi: boolean;
}

/**
 * Runs the steps at any console; the VM's output goes to stdout as it comes; the error of a failure has
 * its last 20 lines.
 * @throws VsbError E_EXPECT_TIMEOUT, E_CONSOLE_CLOSED, E_DEADLINE; the signal's reason when it is aborted
 */
export async function interactByScript(
  connection: ConsoleConnection,
  options: ScriptOptions,
): Promise<ExitCode> {
  const { stdout, stderr, steps, stripAnsi, signal } = options;
  connection.onNotice((text) => stderr.write(text));
  return await withConnection(connection, signal, async () => {
    const peer = scriptPeer(connection, stdout);
    await runScript(peer, steps, { signal, stripAnsi });
    // The gateway ends the session once it has taken all input, so that nothing of it is lost.
    const orderly = await connection.close(SCRIPT_END_MS);
    signal.throwIfAborted();
    if (connection.refused()) connection.checkEnd();
    if (!orderly) {
      const message = `the VM did not take all input within ${SCRIPT_END_MS / 1000} s`;
      throw new VsbError('E_DEADLINE', message, { layer: 'console' });
    }
    return ExitCode.ok;
  });
}

/**
 * Talks to a console by program, and lets go of it in any case.
 * @throws what the talk does, but the signal's reason when it is aborted, and why the session was refused if it was
 */
export async function withConnection<T>(
  connection: ConsoleConnection,
  signal: AbortSignal,
  talk: () => Promise<T>,
): Promise<T> {
  try {
    return await talk();
  } catch (error) {
    signal.throwIfAborted();
    // A refused session explains a script that got nowhere better than the script can.
    if (connection.refused()) connection.checkEnd();
    throw error;
  } finally {
    connection.destroy();
  }
}

/**
 * A connection as scripts talk to it; what comes is also shown, if there is something to show it on. A terminal that is
 * asked would answer into the user's shell: it gets what asks nothing.
 */
export function scriptPeer(
  { channel, closed }: ConsoleConnection,
  stdout?: TerminalOutput,
): ScriptPeer {
  const sanitizer = stdout?.isTTY === true ? new Sanitizer() : undefined;
  return {
    onOutput: (listener) => {
      channel.on('data', (bytes: Buffer) => {
        if (stdout?.write(sanitizer?.push(bytes) ?? bytes) === false) {
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
