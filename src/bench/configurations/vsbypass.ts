/** Ours: the shadow UART with the default interrupt path. */
import type { L2Kind } from '../../config/schema.js';
import type { Configuration } from './configuration.js';
import { shadowedConsole } from './shadowed.js';
import { testbedVms } from '../stacks/testbed-vms.js';

export const vsbypass = (l2: L2Kind, vm: string = testbedVms.shadowed): Configuration =>
  shadowedConsole({
    ...{ id: `${l2}/vsbypass`, l2, title: 'vsbypass', stack: `${l2}/testbed`, vm, irq: 'direct' },
    about: 'the user VM in L2, console through the shadow UART, interrupts as by default',
  });
