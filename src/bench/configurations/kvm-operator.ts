/** The console the way that the operator of a KVM host has it: the socket of QEMU's serial port. */
import type { ConsoleConnection } from '../../console/connection.js';
import { connectOperator } from '../../console/operator.js';
import { l2VmPaths } from '../../testbed/layers/l2-paths.js';
import type { End } from '../ends/end.js';
import { ProbeEnd } from '../ends/probe-end.js';
import type { Stack } from '../stacks/stack.js';

export async function connectKvmOperator(
  { operator }: Stack,
  vm: string,
  signal: AbortSignal,
): Promise<ConsoleConnection> {
  return await connectOperator({ l2: operator, vm, history: 'none', signal });
}

export function kvmStream({ operator, probe }: Stack, vm: string): End {
  return new ProbeEnd(operator, probe, l2VmPaths(vm).consoleSocket);
}
