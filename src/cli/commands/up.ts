/** `vsbypass up`: brings an instance up, from whatever state it is in. */
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';
import { accelOption, cpuOption, l2Kinds, orSkipOption, requireOption } from '../options.js';

const examples = `
Examples:
  $ vsbypass up                          one user VM, the accelerator that this host offers
  $ vsbypass up --vms 2 --show-password  two user VMs, and root's password in each
  $ vsbypass --name second up            another instance beside the first
  $ vsbypass up --events | jq -r .type   what happens, for programs
  $ vsbypass up --require kvm --or-skip  with KVM or not at all: exit 77 where the host has none
  $ vsbypass up --cpu intel              on a processor with VMX, which Bochs emulates where there is none
  $ vsbypass up --accel bochs            the same machine with an AMD processor
  $ vsbypass up --deadline 10m           ends by then, with nothing left running
  $ vsbypass up --l2 xen                 Xen and its dom0 as the virtualized system
  $ vsbypass up --dry-run                every command line and configuration, nothing is started`;

export function upCommand(context: CliContext): Command {
  const command = new Command('up')
    .description('check the host, build what is missing, boot all layers')
    .option('--config <file>', 'configuration instead of ./vsbypass.json')
    .option('--vms <count>', 'so many default user VMs', parseCount)
    .addOption(accelOption())
    .addOption(cpuOption())
    .addOption(requireOption())
    .addOption(orSkipOption())
    .addOption(
      new Option(
        '--console <where>',
        'shadow the consoles, or leave them to the virtualized system (baseline, not secure)',
      ).choices(['shadow', 'baseline'] as const),
    )
    .addOption(
      new Option('--l2 <kind>', 'the virtualized system: Linux with KVM, or Xen').choices(l2Kinds),
    )
    .addOption(
      new Option(
        '--irq <path>',
        'how user VMs get their interrupts: from below (direct, doorbell), or by a server in the virtualized system',
      ).choices(['direct', 'doorbell', 'ultracall', 'net'] as const),
    )
    .option('--dry-run', 'print what would be run', false)
    .option('--show-password', "print root's password of each user VM", false)
    .option('--cold', 'boot every layer, also where a saved state fits', false)
    .option('--no-save', 'do not keep the state that the next `up` begins with')
    .option('--keep-failed', 'save the state of a machine that does not come up, too', false)
    .option('--timings', 'at the end: where the time went', false)
    .option('--json', 'print one JSON document', false)
    .option('--events', 'print what happens, one JSON document a line', false)
    .addHelpText('after', examples)
    .action(async (options) => {
      const { bringUp, dryRun } = await import('../actions/up.js');
      const { skipping } = await import('../or-skip.js');
      const run = options.dryRun ? dryRun : bringUp;
      await skipping(options.orSkip, async () => await run(context, options));
    });
  return command;
}

function parseCount(value: string): number {
  const count = Number(value);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('A number from 1 on.');
  return count;
}
