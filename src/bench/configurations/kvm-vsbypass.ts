/** Ours: the shadow UART with the default interrupt path. */
import { connectGateway } from '../../console/gateway-client.js';
import { connectLocal } from '../../console/local-client.js';
import { ChannelEnd } from '../ends/channel-end.js';
import type { Shadow, Stack } from '../stacks/stack.js';
import type { Configuration } from './configuration.js';
import { kvmTestbedVms } from './kvm-testbed.js';

/** The console of a user VM that the testbed shadows. */
export function shadowedConsole(vm: string): Configuration {
  return {
    id: 'kvm/vsbypass',
    l2: 'kvm',
    title: 'vsbypass',
    about: 'the user VM in L2, console through the shadow UART, interrupts as by default',
    stack: 'testbed',
    vm,
    connect: async (stack, signal) =>
      await connectGateway({
        ...shadowOf(stack).gateway,
        ...{ vm, signal, attach: { as: 'take', replay: 'none', sanitize: false } },
      }),
    stream: (stack) =>
      new ChannelEnd('stream', async (signal) => {
        const channel = await connectLocal(shadowOf(stack).controlSocket, vm, signal);
        return {
          channel,
          close: async () => {
            channel.destroySoon();
            await Promise.resolve();
          },
        };
      }),
    enter: async (stack, signal) => await shadowOf(stack).setHltPolicy(vm, 'adaptive', signal),
  };
}

export const kvmVsbypass = shadowedConsole(kvmTestbedVms.shadowed);

function shadowOf({ shadow }: Stack): Shadow {
  if (shadow === undefined) throw new TypeError('a testbed has a shadow hypervisor');
  return shadow;
}
