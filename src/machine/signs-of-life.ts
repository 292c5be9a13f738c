/** What shows from outside that the layers go on: it changes as they do, and stays as it is when they hang. */
import type { Link } from '../link/index.js';
import type { Running } from './running.js';

const answerLimitMs = 5000;

/**
 * What the consoles have said, what was read from and written to disks, how often user VMs have left for the hypervisor.
 * The clock of L1 is not in it: it goes on in a machine that hangs.
 *
 * @returns undefined while QEMU cannot be asked; what one of the layers does not answer is left out
 */
export async function signsOfLife(running: Running): Promise<string | undefined> {
  const { qmp, link, l1, l2, hub } = running;
  if (qmp === undefined) return undefined;
  const disks = await qmp
    .execute('query-blockstats', {}, { timeoutMs: answerLimitMs })
    .then(requestsOf, () => undefined);
  const exits = link === undefined ? [] : await exitsOf(link);
  const shown = hub.list().map((vm) => vm.history.end);
  return JSON.stringify([l1.bytes, l2.bytes, shown, disks, exits]);
}

interface BlockStats {
  readonly stats: { readonly rd_operations: number; readonly wr_operations: number };
}

function requestsOf(answer: unknown): number {
  return (answer as readonly BlockStats[]).reduce(
    (sum, { stats }) => sum + stats.rd_operations + stats.wr_operations,
    0,
  );
}

async function exitsOf(link: Link): Promise<readonly (string | undefined)[]> {
  return await Promise.all(
    link.vms().map(
      async ({ slot, generation }) =>
        await link.vmCounters(slot, generation).then(
          ({ exitsCom1, exitsHlt, exitsOther }) => [exitsCom1, exitsHlt, exitsOther].join(),
          () => undefined,
        ),
    ),
  );
}
