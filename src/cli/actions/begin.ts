/** What to do next, for one who typed `vsbypass` and nothing else. */
import { isUp } from '../../contract/status.js';
import { inspectInstance } from '../../instance/inspect.js';
import { instancePaths } from '../../state/paths.js';
import type { CliContext } from '../context.js';
import { table } from '../output.js';

/** Prints a few lines, which depend on the state of the instance. */
export async function showBegin({ global, stderr, signal }: CliContext): Promise<void> {
  const { name, state, vms } = await inspectInstance(instancePaths(global.name), signal);
  const vm = vms[0]?.name ?? 'vm1';
  const steps = isUp(state)
    ? [
        [`vsbypass console ${vm}`, 'the secure console of a user VM (~. leaves it)'],
        [`vsbypass proof ${vm}`, 'how much of it the virtualized system has seen'],
        ['vsbypass down', 'ends it'],
      ]
    : state === 'absent' || state === 'stopped'
      ? [
          ['vsbypass doctor', 'what this machine has, and what it lacks'],
          ['vsbypass up', 'bring the testbed up: some minutes, the first time longer'],
        ]
      : [
          ['vsbypass status', 'what it does, or what is wrong with it'],
          ['vsbypass up', 'begins anew, if it is broken'],
          ['vsbypass down', 'ends it, whatever state it is in'],
        ];
  const lines = [
    `Instance '${name}' is ${state}. What can be done next:`,
    ...table(steps).map((line) => `  ${line}`),
    'All commands: vsbypass --help',
  ];
  stderr.write(`${lines.join('\n')}\n`);
}
