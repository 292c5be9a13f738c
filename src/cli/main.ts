/**
 * The command line. Only light modules are imported here, so that `--help` answers at once; each
 * command's action imports what does the work.
 */
import { CommanderError } from '@commander-js/extra-typings';

import { ExitCode, VsbError, exitCodeOf } from '../base/errors.js';
import type { CliContext, GlobalOptions } from './context.js';
import { Deadline } from './deadline.js';
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
  const deadline = new Deadline({
    abort: (reason) => abort.abort(reason),
    giveUp: (why) => {
      process.stderr.write(`vsbypass: ${why}; \`vsbypass down\` ends what is left [E_DEADLINE]\n`);
      process.exit(ExitCode.deadline);
    },
  });
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
      const { instanceAccess } = await import('../instance/access.js');
      return await instanceAccess(name ?? globals().name, abort.signal);
    },
    doing: (what) => deadline.doing(what),
    exitWith: (code) => {
      exitCode = code;
    },
  });
  const { program, context } = createProgram(contextOf, process.env);
  program.hook('preAction', (_program, command) => {
    // The daemon has its own way of ending, and outlives the command that started it.
    if (command.name() === 'daemon') return;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
    const when = context.global.deadline ?? '';
    if (when !== '') deadline.start(when, performance.timeOrigin, command.name());
  });
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
  deadline.stop();
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
    if (error.exitCode === 0) return ExitCode.ok;
    await annotate(context, new VsbError('E_USAGE', error.message.replace(/^error: /, '')));
    return ExitCode.usage;
  }
  const { describeError, errorBody, errorDocument } = await import('./show/error.js');
  if (argv.includes('--json')) {
    context.stdout.write(`${JSON.stringify(errorDocument(error), undefined, 2)}\n`);
  }
  if (argv.includes('--events')) {
    const { printEvent } = await import('./events.js');
    printEvent(context, { type: 'error', error: errorBody(error) });
  }
  const { onGitHub, withoutCommands } = await import('./show/github.js');
  const text = describeError(error, context.global.verbose);
  // The last lines of a layer are in it.
  context.stderr.write(`${onGitHub(context.env) ? withoutCommands(text) : text}\n`);
  await annotate(context, error);
  return exitCodeOf(error);
}

/** A failure as an annotation of the run, where GitHub Actions runs this: on stderr, stdout has documents. */
async function annotate(context: CliContext, error: unknown): Promise<void> {
  const { annotateRun } = await import('./annotate.js');
  const { errorBody } = await import('./show/error.js');
  const { code, message, hint } = errorBody(error);
  const kind = code === 'E_SKIPPED' ? 'notice' : 'error';
  const text = hint === undefined ? message : `${message}\n${hint}`;
  annotateRun(context, kind, `vsbypass ${code}`, text);
}

function signalCode(signal: NodeJS.Signals): number {
  return signal === 'SIGINT' ? ExitCode.interrupted : ExitCode.terminated;
}
