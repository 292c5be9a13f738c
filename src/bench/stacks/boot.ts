/** Boots a stack by its name. */
import { vcpusForUltracalls } from '../../config/interrupts.js';
import type { L2Kind } from '../../config/schema.js';
import { bootHost } from './host.js';
import type { Stack, StackInputs } from './stack.js';
import { bootTestbed } from './testbed.js';
import { testbedVms } from './testbed-vms.js';

type Role = 'testbed' | 'servers' | 'host';
export type StackName = `${L2Kind}/${Role}`;

const { shadowed, leftToL2 } = testbedVms;

const boots: Readonly<Record<Role, (l2: L2Kind, inputs: StackInputs) => Promise<Stack>>> = {
  testbed: async (l2, inputs) =>
    await bootTestbed(named(inputs, l2), {
      l2,
      shadowed: [shadowed],
      leftToL2: [leftToL2],
      warm: true,
    }),
  // A testbed of its own: the others have one vCPU in L2.
  servers: async (l2, inputs) =>
    await bootTestbed(named(inputs, `paper-${l2}`), {
      ...{ l2, shadowed: [shadowed], leftToL2: [], vcpus: vcpusForUltracalls, warm: true },
    }),
  host: bootHost,
};

const named = (inputs: StackInputs, name: string): StackInputs => ({
  ...inputs,
  name: `${inputs.name}-${name}`,
});

/** @throws VsbError when it does not come up; the signal's reason */
export async function bootStack(name: StackName, inputs: StackInputs): Promise<Stack> {
  const [l2, role] = name.split('/') as [L2Kind, Role];
  return await boots[role](l2, inputs);
}
