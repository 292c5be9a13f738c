/**
 * The command line. Only light modules are imported here, so that `--help` answers at once; each
 * command's action imports what does the work.
 */
import { CommanderError } from '@commander-js/extra-typings';

import { ExitCode, VsbError, exitCodeOf } from '../base/errors.js';
import type { CliContext, GlobalOptions } from './context.js';
import { Deadline } from './deadline.js';
import { fileError } from '../base/files.js';
import { createProgram } from './program.js';

/** Commands whose whole purpose is what they print, for as long as somebody reads it. */
const showing: ReadonlySet<string> = new Set(['attach', 'run', 'logs']);

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
  let onlyShows = false;
  /** What of it is known once it is parsed; before, its words tell. */
  let formats = formatsIn(argv);
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
    onlyShows = showing.has(command.name());
    formats = command.opts();
    // The daemon has its own way of ending, and outlives the command that started it.
    if (command.name() === 'daemon') return;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
    process.on('SIGHUP', staysBehind(command) ? () => undefined : onSignal);
    const when = context.global.deadline ?? '';
    if (when !== '') deadline.start(when, performance.timeOrigin, command.name());
  });
  let unwritten: VsbError | undefined;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Who read the output may be gone (`| head`). Commands that do something do it all the same; their exit code counts.
    const gone = error.code === 'EPIPE';
    const failure = gone
      ? new VsbError('E_READER_GONE', 'nobody reads the output any more')
      : fileError('cannot write to the standard output', error);
    if (!gone) unwritten ??= failure;
    if (onlyShows) abort.abort(failure);
  });
  // Progress that nobody reads, or that has no room, keeps nothing from being done.
  process.stderr.on('error', () => undefined);
  try {
    if (argv.length > 2) await program.parseAsync(argv);
    else {
      // `--name` and its variable are known, as of an empty command line.
      program.parseOptions([]);
      await (await import('./actions/begin.js')).showBegin(context);
      exitCode = ExitCode.usage;
    }
  } catch (error) {
    exitCode = await reportFailure(error, context, formats);
  }
  deadline.stop();
  // The last of it may still be on its way.
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  if (unwritten !== undefined && exitCode === ExitCode.ok) {
    exitCode = await reportFailure(unwritten, context, formats);
  }
  process.exitCode = exitCode;
  // Whatever still waits (a socket, a timer) belongs to a command that is over.
  process.stdin.pause();
}

/** A console that is watched, but not from a terminal, goes on when one hangs up. Node undoes what nohup does for that. */
function staysBehind(command: { name(): string; opts(): { readonly watch?: unknown } }): boolean {
  return command.name() === 'attach' && command.opts().watch === true && !process.stdin.isTTY;
}

/** Forms of output that a failure takes as well. */
interface Formats {
  readonly json?: boolean;
  readonly events?: boolean;
}

/** What stands behind `--` belongs to a command in a VM. */
function formatsIn(argv: readonly string[]): Formats {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  return { json: own.includes('--json'), events: own.includes('--events') };
}

async function reportFailure(
  error: unknown,
  context: CliContext,
  { json, events }: Formats,
): Promise<number> {
  if (error instanceof CommanderError) {
    // commander has printed its message; help and version end with 0.
    if (error.exitCode === 0) return ExitCode.ok;
    await annotate(context, new VsbError('E_USAGE', error.message.replace(/^error: /, '')));
    return ExitCode.usage;
  }
  if (error instanceof VsbError && error.code === 'E_READER_GONE') return error.exitCode;
  const { describeError, errorBody, errorDocument } = await import('./show/error.js');
  if (json === true) {
    const { printJson } = await import('./output.js');
    printJson(context, errorDocument(error));
  }
  if (events === true) {
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
