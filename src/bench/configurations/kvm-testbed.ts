/** The user VMs of the testbed with L2 = KVM, one for each way of its console. */
import { bootTestbed } from '../stacks/testbed.js';
import type { StackBoot } from './configuration.js';

export const kvmTestbedVms = { shadowed: 'vm1', leftToL2: 'vm2' } as const;

export const bootKvmTestbed: StackBoot = async (inputs) =>
  await bootTestbed(inputs, {
    shadowed: [kvmTestbedVms.shadowed],
    leftToL2: [kvmTestbedVms.leftToL2],
  });
