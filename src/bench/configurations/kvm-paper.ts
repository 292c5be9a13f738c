/** As published: the shadow UART, interrupts by an interrupt server in L2. */
import { bootTestbed } from '../stacks/testbed.js';
import type { Configuration, StackBoot } from './configuration.js';
import { shadowedConsole } from './shadowed.js';

const vm = 'vm1';

/** A testbed of its own: while a server waits in an ultracall, L2 needs another vCPU. */
export const bootKvmServers: StackBoot = async (inputs) =>
  await bootTestbed(
    { ...inputs, name: `${inputs.name}-paper` },
    { shadowed: [vm], leftToL2: [], l2Vcpus: 2 },
  );

export const kvmPaper: readonly Configuration[] = [
  shadowedConsole({
    id: 'kvm/paper-vsbypass',
    l2: 'kvm',
    title: 'VSBypass',
    about: 'the shadow UART, interrupts by an interrupt server in L2 that waits in a call to L1',
    ...{ stack: 'servers', vm, irq: 'ultracall' },
  }),
  shadowedConsole({
    id: 'kvm/paper-vsbypass-net',
    l2: 'kvm',
    title: 'VSBypass (net)',
    about: 'the same, told over the network',
    ...{ stack: 'servers', vm, irq: 'net' },
  }),
];
