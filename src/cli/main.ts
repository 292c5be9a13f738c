/**
 * The command line. Only light modules are imported here, so that `--help` answers at once; each
 * command's action imports what does the work.
 */
import { Command, CommanderError } from '@commander-js/extra-typings';

import { ExitCode, VsbError, exitCodeOf } from '../errors/index.js';
import { benchCommand } from './commands/bench.js';
import { buildCommand } from './commands/build.js';
import { consoleCommand } from './commands/console.js';
import { countersCommand } from './commands/counters.js';
import { daemonCommand } from './commands/daemon.js';
import { doctorCommand } from './commands/doctor.js';
import { downCommand } from './commands/down.js';
import { logsCommand } from './commands/logs.js';
import { proofCommand } from './commands/proof.js';
import { sshConfigCommand } from './commands/ssh-config.js';
import { statusCommand } from './commands/status.js';
import { upCommand } from './commands/up.js';
import { verifyCommand } from './commands/verify.js';
import { vmCommand } from './commands/vm.js';
import type { CliContext, CommandFactory, GlobalOptions } from './context.js';
import { packageVersion } from './version.js';

const commands: readonly CommandFactory[] = [
  upCommand,
  downCommand,
  statusCommand,
  consoleCommand,
  sshConfigCommand,
  proofCommand,
  verifyCommand,
  benchCommand,
  countersCommand,
  vmCommand,
  logsCommand,
  doctorCommand,
  buildCommand,
  daemonCommand,
];

const help = `
Examples:
  $ vsbypass up                 bring the testbed up: outer hypervisor, virtualized system, user VM
  $ vsbypass console vm1        the secure console of user VM vm1 (~. leaves it)
  $ vsbypass proof vm1          how much of it the virtualized system has seen
  $ vsbypass verify vm1         the operator's attack, with and without the shadow layer
  $ vsbypass down

Exit codes: 0 ok, 1 bug, 2 usage or configuration, 3 host lacks something, 4 a layer failed,
5 a leak, 6 a regression, 7 console authentication or host key, 124 deadline, 130 and 143 signals.`;

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
  const program = new Command('vsbypass')
    .description('secure out-of-band consoles of user VMs, past an untrusted virtualized system')
    .version(packageVersion())
    .option('--name <instance>', 'the instance meant', process.env['VSBYPASS_NAME'] ?? 'default')
    .option('-q, --quiet', 'no progress', false)
    .option('-v, --verbose', 'more progress', false)
    .addHelpText('after', help)
    .showHelpAfterError('(see --help)')
    .exitOverride();
  const context: CliContext = {
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: abort.signal,
    get global(): GlobalOptions {
      return program.opts();
    },
    instance: async (name) => {
      const { instanceAccess } = await import('./instance-access.js');
      return await instanceAccess(name ?? program.opts().name, abort.signal);
    },
    exitWith: (code) => {
      exitCode = code;
    },
  };
  for (const factory of commands) {
    const command = factory(context);
    inheritBehaviour(command);
    program.addCommand(command, { hidden: command.name() === 'daemon' });
  }
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

/** addCommand does not hand the parent's settings down. */
function inheritBehaviour(command: Command): void {
  command.exitOverride().showHelpAfterError('(see --help)');
  for (const child of command.commands) inheritBehaviour(child as Command);
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
