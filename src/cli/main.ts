/**
 * The command line. Only light modules are imported here, so that `--help` answers at once; each
 * command's action imports what does the work.
 */
import { CommanderError } from '@commander-js/extra-typings';

import { ExitCode, VsbError, exitCodeOf } from '../errors/index.js';
import type { CliContext, GlobalOptions } from './context.js';
import { createProgram } from './program.js';

/**
 * Runs one command line and sets the exit code of the process.
 *
 * @param argv as process.argv
 */
export async function main(argv: readonly string[]): Promise<void> {
  const abort = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    // The second one does not wait for an orderly end any more.
    if (abort.signal.aborted) process.exit(signalCode(signal));
    abort.abort(
      new VsbError(signal === 'SIGINT' ? 'E_INTERRUPTED' : 'E_TERMINATED', `ended by ${signal}`),
    );
  };
  let exitCode: number = ExitCode.ok;
  const contextOf = (globals: () => GlobalOptions): CliContext => ({
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: abort.signal,
    get global() {
      return globals();
    },
    instance: async (name) => {
      const { instanceAccess } = await import('./instance-access.js');
      return await instanceAccess(name ?? globals().name, abort.signal);
    },
    exitWith: (code) => {
      exitCode = code;
    },
  });
  const { program, context } = createProgram(contextOf, process.env);
  // The daemon has its own way of ending.
  if (!argv.includes('daemon')) {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader of a pipe went away: nothing to say and nobody to say it to.
    if (error.code === 'EPIPE') process.exit(ExitCode.ok);
    throw error;
  });
  try {
    await program.parseAsync(argv);
  } catch (error) {
    exitCode = await reportFailure(error, context, argv);
  }
  process.exitCode = exitCode;
  // Whatever still waits (a socket, a timer) belongs to a command that is over.
  process.stdin.pause();
}

async function reportFailure(
  error: unknown,
  context: CliContext,
  argv: readonly string[],
): Promise<number> {
  if (error instanceof CommanderError) {
    // commander has printed its message; help and version end with 0.
    return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  }
  const { describeError, errorBody, errorDocument } = await import('../reporters/error.js');
  if (argv.includes('--json')) {
    context.stdout.write(`${JSON.stringify(errorDocument(error), undefined, 2)}\n`);
  }
  if (argv.includes('--events')) {
    const { printEvent } = await import('./events.js');
    printEvent(context, { type: 'error', error: errorBody(error) });
  }
  context.stderr.write(`${describeError(error, context.global.verbose)}\n`);
  return exitCodeOf(error);
}

function signalCode(signal: NodeJS.Signals): number {
  return signal === 'SIGINT' ? ExitCode.interrupted : ExitCode.terminated;
}
