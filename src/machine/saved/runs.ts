/**
 * What runs in a testbed that is saved. Every user VM that does is renewed when the state is resumed, on its secure console; one that
 * was overlooked would share its secrets with all that come from that state. So none is kept where a VM cannot be renewed, nor while
 * L1 and L2 do not say the same of what runs.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { z } from 'zod';

import { VsbError } from '../../base/errors.js';
import { irqModes, type IrqMode } from '../../config/schema.js';
import { shortName, slotName } from '../../config/vm-names.js';
import type { OperatorVm } from '../../contract/answers.js';
import type { VmRecord } from '../../link/index.js';
import { noLink } from '../interrupts.js';
import type { VmPlan } from '../plan.js';
import type { Running } from '../running.js';
import { listVms } from '../vms-in-l2.js';
import { whyUnsoundPath } from './soundness.js';

export const runsSchema = z.object({
  /** User VMs that ran: those that are to be renewed. */
  running: z.array(z.string()),
  /** Those that were to run, as in {@link Running}. */
  wanted: z.array(z.string()),
  /** Hooks that were switched, by VM. */
  hooks: z.record(z.string(), z.boolean()),
  irq: z.enum(irqModes),
});
export type Runs = z.output<typeof runsSchema>;

/** L1 misses a user VM that has ended after 10 s (VSB_SILENT in images/xen), and sees one that starts when its firmware prints. */
const agreeLimitMs = 20_000;
const lookEveryMs = 1000;

/** Right after a boot: as its phases have left it, and nobody could change it yet. */
export function runsAfterBoot({ request: { config } }: Running): Runs {
  const started = config.vms.filter((vm) => vm.autostart).map((vm) => vm.name);
  return { running: started, wanted: started, hooks: {}, irq: config.irq };
}

/** @throws VsbError E_SKIPPED where it could not be renewed; E_LINK_CLOSED, E_SSH; the signal's reason */
export async function whatRuns(running: Running, signal: AbortSignal): Promise<Runs> {
  const irq = soundPathOf(running);
  const start = performance.now();
  for (;;) {
    const inL2 = await listVms(running, signal);
    const { link, plan } = running;
    if (link === undefined || link.closed) throw noLink();
    const found = compare(plan.vms, link.vms(), inL2);
    if (found.doubt === undefined) {
      const { wanted, hooks } = running;
      const asked = { wanted: [...wanted], hooks: Object.fromEntries(hooks) };
      return { ...asked, running: found.names, irq };
    }
    if (performance.now() - start > agreeLimitMs) throw unsound(found.doubt);
    await delay(lookEveryMs, undefined, { signal });
  }
}

/** The configuration says which it was at first. */
function soundPathOf({ interrupts }: Running): IrqMode {
  if (interrupts === undefined) throw noLink();
  const why = whyUnsoundPath(interrupts.wanted) ?? whyUnsoundPath(interrupts.active);
  if (why !== undefined) throw unsound(why);
  return interrupts.wanted;
}

/** @throws VsbError E_SKIPPED for what does not pass by itself */
export function compare(
  planned: readonly VmPlan[],
  inL1: readonly VmRecord[],
  inL2: readonly OperatorVm[],
): { readonly names: string[]; readonly doubt?: undefined } | { readonly doubt: string } {
  const seen = inL1.filter(({ state }) => state === 'running');
  const names: string[] = [];
  for (const { name, uuid } of planned) {
    const [vm, ...rivals] = seen.filter((one) => one.uuid === uuid && !one.doubtful);
    const runs = inL2.some((one) => one.name === name && one.state === 'running');
    if (runs !== (vm !== undefined) || rivals.length > 0) {
      const inL2Too = runs ? 'L2 runs' : 'L2 does not run';
      return { doubt: `${inL2Too} ${name}, and L1 sees ${vm === undefined ? 'none' : 'one'}` };
    }
    if (vm === undefined) continue;
    if (!vm.hooked) throw unsound(`the console of ${name} is left to L2, which would read along`);
    names.push(name);
  }
  const stranger = seen.find((vm) => vm.doubtful || !planned.some(({ uuid }) => uuid === vm.uuid));
  if (stranger === undefined) return { names };
  const { uuid, doubtful } = stranger;
  if (uuid === undefined || doubtful) {
    return { doubt: `nobody knows which user VM ${slotName(stranger)} is` };
  }
  throw unsound(`${shortName(uuid)} runs, which nobody here can log in to and renew`);
}

function unsound(why: string): VsbError {
  return new VsbError('E_SKIPPED', `no state is kept: ${why}`);
}
