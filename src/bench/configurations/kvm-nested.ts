/** The user VM in L2, console through L2's QEMU: what a cloud on top of nesting has today. */
import type { Configuration } from './configuration.js';
import { connectKvmOperator, kvmStream } from './kvm-operator.js';
import { kvmTestbedVms } from './kvm-testbed.js';

const vm = kvmTestbedVms.leftToL2;

export const kvmNested: Configuration = {
  id: 'kvm/nested',
  l2: 'kvm',
  title: 'nested',
  about: "the user VM in L2, console through L2's QEMU",
  stack: 'testbed',
  vm,
  connect: async (stack, signal) => await connectKvmOperator(stack, vm, signal),
  stream: (stack) => kvmStream(stack, vm),
  // A HLT of the other VM that is still captured keeps L2's CPU: somebody else's typing is not what is measured here.
  enter: async ({ shadow }, signal) =>
    await shadow?.setHltPolicy(kvmTestbedVms.shadowed, 'never', signal),
};
