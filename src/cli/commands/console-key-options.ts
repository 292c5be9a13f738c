/** The options that say which key to log in to the gateway with. */
import type { Command } from '@commander-js/extra-typings';

// A type, not an interface: commander wants an index signature.
export type KeyOptions = {
  readonly identity?: string | undefined;
  readonly agent?: true | undefined;
};

export function keyOptions(command: Command): Command<[], KeyOptions> {
  return command
    .option('--identity <file>', "private key to use instead of the instance's own")
    .option('--agent', 'use the keys of the SSH agent (SSH_AUTH_SOCK)');
}
