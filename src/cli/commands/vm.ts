/** `vsbypass vm`: starts and stops user VMs, as the operator of the virtualized system would. */
import { Command } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const examples = `
Examples:
  $ vsbypass vm list
  $ vsbypass vm stop vm1
  $ vsbypass vm start vm1`;

export function vmCommand(context: CliContext): Command {
  const command = new Command('vm')
    .description('list, start and stop user VMs')
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
    .action(async (vm) => {
      const call = await caller(context);
      await call('vm.start', { vm });
    });
  command
    .command('stop')
    .description('shut a user VM down; after half a minute it is ended')
    .argument('<vm>')
    .action(async (vm) => {
      const call = await caller(context);
      await call('vm.stop', { vm });
    });
  return command;
}

type Protocol = typeof import('../../daemon/protocol.js');
type Method = keyof Protocol['parameterSchemas'];

/** Calls the daemon of the instance meant. */
async function caller(
  context: CliContext,
): Promise<
  <M extends Method>(
    method: M,
    params: import('../../daemon/protocol.js').Parameters<M>,
  ) => Promise<import('../../daemon/protocol.js').ResultOf<M>>
> {
  const { callDaemon } = await import('../../daemon/client.js');
  const { existingInstance } = await import('../instance-access.js');
  const paths = await existingInstance(context.global.name);
  return async (method, params) =>
    await callDaemon(paths.controlSocket, method, params, { signal: context.signal });
}
