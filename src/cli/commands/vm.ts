/** `vsbypass vm`: starts and stops user VMs, as the operator of the virtualized system would. */
import { Argument, Command } from '@commander-js/extra-typings';

import type { HookResult } from '../../contract/answers.js';
import type { Method, Parameters, ResultOf } from '../../contract/control.js';
import type { CliContext } from '../context.js';

const examples = `
Examples:
  $ vsbypass vm list
  $ vsbypass vm stop vm1
  $ vsbypass vm start vm1 --json
  $ vsbypass vm hook off vm1     its console goes the operator's way: not secure`;

export function vmCommand(context: CliContext): Command {
  const command = new Command('vm')
    .description('list, start and stop user VMs, switch the shadowing of their consoles')
    .addHelpText('after', examples);
  command
    .command('list')
    .description('user VMs as the virtualized system and as the shadow hypervisor see them')
    .option('--json', 'print one JSON document', false)
    .action(async ({ json }) => {
      const call = await caller(context);
      const { printJson, printLines, table } = await import('../output.js');
      const [operator, status] = [await call('vm.list', {}), await call('status', {})];
      const vms = status.vms.map((vm) => {
        const seen = operator.find(({ name }) => name === vm.name);
        return { ...vm, operatorState: seen?.state ?? 'unknown', operatorPid: seen?.pid };
      });
      if (json) {
        printJson(context, { schemaVersion: 1, vms });
        return;
      }
      printLines(
        context,
        table([
          ['VM', 'IN L2', 'SHADOW CONSOLE', 'SESSIONS'],
          ...vms.map((vm) => [vm.name, vm.operatorState, vm.state, String(vm.sessions)]),
        ]),
      );
    });
  command
    .command('start')
    .description('start a user VM')
    .argument('<vm>')
    .option('--json', 'print one JSON document', false)
    .action(async (vm, { json }) => {
      const call = await caller(context);
      const { said } = await call('vm.start', { vm });
      const { printLinesTo } = await import('../output.js');
      if (json) await printState(context, { vm, operatorState: 'running', said });
      else
        printLinesTo(
          context.stderr,
          said.map((line) => `QEMU in L2: ${line}`),
        );
    });
  command
    .command('stop')
    .description('shut a user VM down; after half a minute it is ended')
    .argument('<vm>')
    .option('--json', 'print one JSON document', false)
    .action(async (vm, { json }) => {
      const call = await caller(context);
      await call('vm.stop', { vm });
      if (json) await printState(context, { vm, operatorState: 'stopped' });
    });
  command
    .command('hook')
    .description('shadow COM1 of a user VM (on), or leave it to the virtualized system (off)')
    .addArgument(new Argument('<state>').choices(['on', 'off'] as const))
    .argument('<vm>')
    .option('--json', 'print one JSON document', false)
    .action(async (state, vm, { json }) => {
      const call = await caller(context);
      const result = await call('vm.hook', { vm, on: state === 'on' });
      const { printJson } = await import('../output.js');
      if (json) printJson(context, { schemaVersion: 1, ...result });
      else if (!context.global.quiet) context.stderr.write(`${describeHook(result)}\n`);
    });
  return command;
}

function describeHook({ vm, hooked }: HookResult): string {
  if (hooked === undefined) return `${vm} does not run; it will be so when it does`;
  return hooked ? `COM1 of ${vm} is shadowed` : `COM1 of ${vm} is left to L2: NOT SECURE`;
}

/** What L2 has done with it. */
async function printState(
  context: CliContext,
  state: {
    readonly vm: string;
    readonly operatorState: 'running' | 'stopped';
    readonly said?: readonly string[];
  },
): Promise<void> {
  const { printJson } = await import('../output.js');
  printJson(context, { schemaVersion: 1, ...state });
}

/** Calls the daemon of the instance meant. */
async function caller(
  context: CliContext,
): Promise<<M extends Method>(method: M, params: Parameters<M>) => Promise<ResultOf<M>>> {
  const { callDaemon } = await import('../../instance/client.js');
  const { servedInstance } = await import('../../instance/access.js');
  const paths = await servedInstance(context.global.name, context.signal);
  return async (method, params) =>
    await callDaemon(paths.controlSocket, method, params, { signal: context.signal });
}
