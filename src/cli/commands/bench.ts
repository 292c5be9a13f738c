/** `vsbypass bench`: response time and throughput of a console in all configurations, with statistics. */
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';

import type { CliContext } from '../context.js';
import { orSkipOption, requireOption } from '../options.js';

const about = `
Boots machines of its own (instances NAME-bench-...), measures all configurations in turns, and ends them again. Writes
results.json, samples.csv and report.html into a folder; the table goes to stdout. What was measured is kept when it is
interrupted.

--only takes measures (response, throughput, anatomy, side-costs, scale, gateway), kinds of L2 (kvm, xen) and
configurations (kvm/nested, ...). --quick measures L2 = KVM unless --only says otherwise. scale, with nine user VMs, is
measured by --full and where --only names it.
--fail-if: a statistic (median, mean, p95, p99) that may be worse by so much; 'throughput:median>5%' for one measure.

Exit codes: 0 ok, 6 worse than --compare allows, by a statistical test, 77 skipped (--or-skip).

Examples:
  $ vsbypass bench --quick
  $ vsbypass bench --quick --only xen
  $ vsbypass bench --only response --only kvm/vsbypass --samples 500
  $ vsbypass bench --only scale
  $ vsbypass bench --quick --require kvm --or-skip --deadline 20m
  $ vsbypass bench --compare before/results.json --fail-if 'median>10%'`;

const collect = (value: string, previous: string[]): string[] => [...previous, value];

export function benchCommand(context: CliContext): Command {
  const command = new Command('bench')
    .description('measure the console in all configurations')
    .option(
      '--quick',
      'few samples, of keys, throughput and the gateway only, some five minutes',
      false,
    )
    .option('--full', 'more samples, and what takes long', false)
    .option(
      '--only <what>',
      'a measure, a kind of L2, a configuration; can be repeated',
      collect,
      [],
    )
    .option('--samples <count>', 'keys for each response time', parseCount)
    .option('--seed <number>', 'of gaps and orders', parseCount)
    .option('--output <folder>', 'where the results go; default vsbypass-bench-TIME here')
    .option('--compare <file>', 'results.json of an earlier run')
    .option('--fail-if <condition>', 'when that comparison fails; can be repeated', collect, [])
    .addOption(requireOption())
    .addOption(orSkipOption())
    .option('--json', 'print the results as one JSON document', false)
    .addHelpText('after', about)
    .action(async (options) => {
      const { bench } = await import('../actions/bench.js');
      const { skipping } = await import('../or-skip.js');
      await skipping(options.orSkip, async () => await bench(context, options));
    });
  return command;
}

function parseCount(value: string): number {
  const count = Number(value);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('A number from 1 on.');
  return count;
}
