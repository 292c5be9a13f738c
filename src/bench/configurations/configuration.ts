/** What is compared: one way to have a console of a user VM. Each is a module of its own, listed in index.ts. */
import type { L2Kind } from '../../config/schema.js';
import type { ConsoleConnection } from '../../console/connection.js';
import { ChannelEnd, type OpenChannel } from '../ends/channel-end.js';
import type { End } from '../ends/end.js';
import type { StackName } from '../stacks/boot.js';
import type { Stack } from '../stacks/stack.js';

export interface Configuration {
  /** Stable, `L2/NAME`. */
  readonly id: string;
  readonly l2: L2Kind;
  /** As the paper calls it, where it has it. */
  readonly title: string;
  /** One sentence. */
  readonly about: string;
  /** What it runs on; configurations that name the same one share it. */
  readonly stack: StackName;
  /** The user VM whose console it is. */
  readonly vm: string;
  /** Opens the console the way that its user does. */
  connect(stack: Stack, signal: AbortSignal): Promise<ConsoleConnection>;
  /** Where the console's bytes are first to be had. */
  stream(stack: Stack): End;
  /** Makes ready what this configuration needs and others on the same stack may have changed. */
  enter?(stack: Stack, signal: AbortSignal): Promise<void>;
}

/** How long a console may take to be left, milliseconds. */
const closeMs = 5000;

/** The end where the user of the console is. */
export function userEnd(configuration: Configuration, stack: Stack): End {
  return new ChannelEnd('ssh', async (signal): Promise<OpenChannel> => {
    const connection = await configuration.connect(stack, signal);
    return {
      channel: connection.channel,
      close: async () => {
        await connection.close(closeMs);
      },
    };
  });
}
