/**
 * The tree of commands, with its help texts: what the command line obeys, what the shells complete, and
 * what the manual page is made of.
 */
import { Command } from '@commander-js/extra-typings';

import { exitCodeRows } from '../base/errors.js';
import { packageVersion } from '../base/version.js';
import { benchCommand } from './commands/bench.js';
import { buildCommand } from './commands/build.js';
import { completeCommand, completionCommand } from './commands/completion.js';
import { consoleCommand } from './commands/console.js';
import { countersCommand } from './commands/counters.js';
import { daemonCommand } from './commands/daemon.js';
import { doctorCommand } from './commands/doctor.js';
import { downCommand } from './commands/down.js';
import { irqCommand } from './commands/irq.js';
import { l1Command } from './commands/l1.js';
import { l2Command } from './commands/l2.js';
import { logsCommand } from './commands/logs.js';
import { manCommand } from './commands/man.js';
import { proofCommand } from './commands/proof.js';
import { pruneCommand } from './commands/prune.js';
import { reportCommand } from './commands/report.js';
import { sbomCommand } from './commands/sbom.js';
import { snapshotCommand } from './commands/snapshot.js';
import { sshConfigCommand } from './commands/ssh-config.js';
import { statusCommand } from './commands/status.js';
import { stockCommand } from './commands/stock.js';
import { upCommand } from './commands/up.js';
import { verifyCommand } from './commands/verify.js';
import { vmCommand } from './commands/vm.js';
import type { CliContext, CommandFactory, GlobalOptions } from './context.js';

const commands: readonly CommandFactory[] = [
  upCommand,
  downCommand,
  statusCommand,
  consoleCommand,
  sshConfigCommand,
  proofCommand,
  stockCommand,
  verifyCommand,
  benchCommand,
  countersCommand,
  vmCommand,
  irqCommand,
  snapshotCommand,
  pruneCommand,
  l1Command,
  l2Command,
  logsCommand,
  reportCommand,
  doctorCommand,
  buildCommand,
  sbomCommand,
  completionCommand,
  manCommand,
];
/** For the program itself, not for people. */
const hiddenCommands: readonly CommandFactory[] = [daemonCommand, completeCommand];

export const examples = `
Examples:
  $ vsbypass up                 bring the testbed up: outer hypervisor, virtualized system, user VM
  $ vsbypass console vm1        the secure console of user VM vm1 (~. leaves it)
  $ vsbypass proof vm1          how much of it the virtualized system has seen
  $ vsbypass verify vm1         the operator's attack, with and without the shadow layer
  $ vsbypass down`;

const exitCodes = `
Exit codes:
${exitCodeRows()
  .map(([code, meaning]) => `  ${code.padEnd(5)}${meaning}`)
  .join('\n')}`;

/**
 * Makes it. Nothing is done before it parses a command line.
 * @param contextOf what the commands get; `globals` is valid after parsing
 */
export function createProgram(
  contextOf: (globals: () => GlobalOptions) => CliContext,
  env: NodeJS.ProcessEnv,
): { program: Command; context: CliContext } {
  const program = new Command('vsbypass')
    .description('secure out-of-band consoles of user VMs, past an untrusted virtualized system')
    .version(packageVersion())
    .option('--name <instance>', 'the instance meant', env['VSBYPASS_NAME'] ?? 'default')
    .option('-q, --quiet', 'no progress', false)
    .option('-v, --verbose', 'more progress', false)
    .option(
      '--deadline <when>',
      'end by then: 20m after the start, or at a time; exit 124 (VSBYPASS_DEADLINE)',
      env['VSBYPASS_DEADLINE'],
    )
    .addHelpText('after', examples)
    .addHelpText('after', exitCodes)
    .showHelpAfterError('(see --help)')
    .exitOverride();
  const context = contextOf(() => program.opts());
  const add = (factory: CommandFactory, hidden: boolean): void => {
    const command = factory(context);
    inheritBehaviour(command);
    program.addCommand(command, { hidden });
  };
  for (const factory of commands) add(factory, false);
  for (const factory of hiddenCommands) add(factory, true);
  return { program, context };
}

/** addCommand does not hand the parent's settings down. */
function inheritBehaviour(command: Command): void {
  command.exitOverride().showHelpAfterError('(see --help)');
  for (const child of command.commands) inheritBehaviour(child as Command);
}
