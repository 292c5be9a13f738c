/** The user VM in L2, console through L2's QEMU: what a cloud on top of nesting has today. */
import type { L2Kind } from '../../config/schema.js';
import type { Configuration } from './configuration.js';
import { operatorConsole } from './operator.js';
import { testbedVms } from '../stacks/testbed-vms.js';

const about = {
  kvm: "the user VM in L2, console through L2's QEMU",
  xen: "the user VM in L2, console through the device model in L2's dom0",
} as const;

export function nested(l2: L2Kind): Configuration {
  return operatorConsole({
    ...{ id: `${l2}/nested`, l2, title: 'nested', about: about[l2] },
    ...{ stack: `${l2}/testbed`, vm: testbedVms.leftToL2 },
    // A HLT of the other VM that is still captured keeps L2's CPU: somebody else's typing is not what is measured here.
    enter: async ({ shadow }, signal) =>
      await shadow?.setHltPolicy(testbedVms.shadowed, 'never', signal),
  });
}
