/** The user VM on a KVM host that is not nested, console through the host's QEMU. */
import { kvmHostVm } from '../stacks/kvm-host.js';
import type { Configuration } from './configuration.js';
import { connectKvmOperator, kvmStream } from './kvm-operator.js';

export const kvmTraditional: Configuration = {
  id: 'kvm/traditional',
  l2: 'kvm',
  title: 'traditional',
  about: "the user VM on a KVM host that is not nested, console through that host's QEMU",
  stack: 'kvm-host',
  vm: kvmHostVm,
  connect: async (stack, signal) => await connectKvmOperator(stack, kvmHostVm, signal),
  stream: (stack) => kvmStream(stack, kvmHostVm),
};
