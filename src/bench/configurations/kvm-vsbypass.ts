/** Ours: the shadow UART with the default interrupt path. */
import type { Configuration } from './configuration.js';
import { kvmTestbedVms } from './kvm-testbed.js';
import { shadowedConsole } from './shadowed.js';

export const kvmConsole = (vm: string): Configuration =>
  shadowedConsole({
    id: 'kvm/vsbypass',
    l2: 'kvm',
    title: 'vsbypass',
    about: 'the user VM in L2, console through the shadow UART, interrupts as by default',
    ...{ stack: 'testbed', vm, irq: 'direct' },
  });

export const kvmVsbypass = kvmConsole(kvmTestbedVms.shadowed);
