/** A console of a user VM that the testbed shadows. */
import { suitingHltPolicy } from '../../config/interrupts.js';
import type { IrqMode } from '../../config/schema.js';
import { connectGateway } from '../../console/client/gateway-client.js';
import { connectLocal } from '../../console/client/local-client.js';
import { ChannelEnd } from '../ends/channel-end.js';
import type { Shadow, Stack } from '../stacks/stack.js';
import type { Configuration } from './configuration.js';

export interface ShadowedConsole extends Pick<
  Configuration,
  'id' | 'l2' | 'title' | 'about' | 'stack' | 'vm'
> {
  /** How its interrupts come. */
  readonly irq: IrqMode;
}

export function shadowedConsole({ irq, ...about }: ShadowedConsole): Configuration {
  const { vm } = about;
  return {
    ...about,
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
    enter: async (stack, signal) => {
      const shadow = shadowOf(stack);
      await shadow.setIrqMode(irq, signal);
      // Another configuration on this stack may have changed it.
      await shadow.setHltPolicy(vm, suitingHltPolicy(irq), signal);
    },
  };
}

function shadowOf({ shadow }: Stack): Shadow {
  if (shadow === undefined) throw new TypeError('a testbed has a shadow hypervisor');
  return shadow;
}
