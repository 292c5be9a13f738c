/** As published: the shadow UART, interrupts by an interrupt server in L2. */
import type { L2Kind } from '../../config/schema.js';
import type { Configuration } from './configuration.js';
import { shadowedConsole } from './shadowed.js';
import { testbedVms } from '../stacks/testbed-vms.js';

export function paper(l2: L2Kind): readonly Configuration[] {
  const common = { l2, stack: `${l2}/servers`, vm: testbedVms.shadowed } as const;
  return [
    shadowedConsole({
      ...{ ...common, id: `${l2}/paper-vsbypass`, title: 'VSBypass', irq: 'ultracall' },
      about: 'the shadow UART, interrupts by an interrupt server in L2 that waits in a call to L1',
    }),
    shadowedConsole({
      ...{ ...common, id: `${l2}/paper-vsbypass-net`, title: 'VSBypass (net)', irq: 'net' },
      about: 'the same, told over the network',
    }),
  ];
}
