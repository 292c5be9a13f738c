/** `vsbypass console grant`, `revoke` and `grants`: who else may use the consoles, while the instance runs. */
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';

const grantExamples = `
The key is a public one, like ~/.ssh/id_ed25519.pub. Who has the private key then opens the console with
\`ssh\`, as user <vm>, or with \`vsbypass console <vm> --identity FILE\`. --ttl and --once limit when a session may
begin; one that has begun goes on until it is revoked.

Examples:
  $ vsbypass console grant vm1 --key alice.pub
  $ vsbypass console grant vm1 --key bob.pub --watch --ttl 2h
  $ vsbypass console grant vm1 --key ci.pub --ttl 60s --once`;

export function grantCommand(context: CliContext): Command {
  const command = new Command('grant')
    .description('let the holder of a key use the console of a VM')
    .argument('<vm>', 'name of the VM')
    .requiredOption('--key <file>', 'OpenSSH public key')
    .option('--watch', 'look on only', false)
    .option('--ttl <duration>', 'for how long: 60s, 10m, 2h, 1d (default: until revoked)', parseTtl)
    .option('--once', 'for one session only', false)
    .option('--json', 'print a document', false)
    .addHelpText('after', grantExamples)
    .action(async (vm, options) => {
      const { grantConsole } = await import('../actions/console-grants.js');
      await grantConsole(context, vm, options);
    });
  return command as unknown as Command;
}

const revokeExamples = `
Sessions that came in by what is taken back end at once. What the configuration allows stays.

Examples:
  $ vsbypass console revoke vm1                 all that was granted at vm1
  $ vsbypass console revoke vm1 g-1a2b3c4d      one grant, by its id
  $ vsbypass console revoke vm1 --key alice.pub`;

export function revokeCommand(context: CliContext): Command {
  const command = new Command('revoke')
    .description('take back what was granted')
    .argument('<vm>', 'name of the VM')
    .argument('[which]', "a grant's id, or a key's fingerprint (SHA256:...)")
    .option('--key <file>', 'OpenSSH public key')
    .option('--json', 'print a document', false)
    .addHelpText('after', revokeExamples)
    .action(async (vm, which, options) => {
      const { revokeConsole } = await import('../actions/console-grants.js');
      await revokeConsole(context, vm, which, options);
    });
  return command as unknown as Command;
}

export function grantsCommand(context: CliContext): Command {
  const command = new Command('grants')
    .description('who may use which console')
    .option('--json', 'print a document', false)
    .addHelpText('after', '\nExample:\n  $ vsbypass console grants')
    .action(async (options) => {
      const { listGrants } = await import('../actions/console-grants.js');
      await listGrants(context, options);
    });
  return command;
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const longestSeconds = 365 * 86_400;

/** Seconds of `60s`, `10m`, `2h`, `1d`. */
function parseTtl(value: string): number {
  const [, number = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(value) ?? [];
  const seconds = Number(number) * (unitSeconds[unit] ?? 0);
  if (seconds >= 1 && seconds <= longestSeconds) return seconds;
  throw new InvalidArgumentError('A duration like 60s, 10m, 2h or 1d, at most 365d.');
}
