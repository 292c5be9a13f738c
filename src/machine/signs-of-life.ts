/** What shows from outside that the layers go on: it changes as they do, and stays as it is when they hang. */
import type { Link, VmCounters } from '../link/index.js';
import { cpuWaitMs } from '../base/process-identity.js';
import type { Running } from './running.js';

/** A user VM that halts more often than so between two looks waits for something. One that boots halts now and then. */
const mostHalts = 4;

/** What is seen at a look. Either text changes as the machine goes on. */
export interface Signs {
  /** Anything at all: while it changes, nothing hangs. */
  readonly any: string;
  /** Work that leads somewhere: what an idle user VM does to wait is not in it. */
  readonly work: string;
  /** For how many milliseconds of its life the machine was kept from running by others of the host. */
  readonly waitedMs: number;
}

/** Looks again and again at one machine. */
export class SignsOfLife {
  /** Of each user VM: its halts at the last look, and its exits at the last look at which it did not wait. */
  readonly #vms = new Map<string, { halts: number; busy: number }>();

  /**
   * What the consoles have said, what was read from and written to disks, how often user VMs have left for the hypervisor.
   * The clock of L1 is not in it: it goes on in a machine that hangs.
   *
   * @returns undefined while the machine cannot be asked; what one of the layers does not answer is left out
   */
  async look(running: Running): Promise<Signs | undefined> {
    const { machine, link, l1, l2, hub } = running;
    if (!machine.isOpen) return undefined;
    const waitedMs = await cpuWaitMs(machine.process.identity.pid);
    const disks = await machine.diskRequests().catch(() => undefined);
    const counts = link === undefined ? [] : await countsOf(link);
    const seen = [l1.bytes, l2.bytes, hub.list().map((vm) => vm.history.end), disks];
    return {
      any: JSON.stringify([seen, counts.map(({ all }) => all)]),
      work: JSON.stringify([seen, counts.map(({ vm, all, halts }) => this.#busy(vm, all, halts))]),
      waitedMs,
    };
  }

  #busy(vm: string, all: number, halts: number): number {
    const last = this.#vms.get(vm);
    const waits = last !== undefined && halts - last.halts > mostHalts;
    const busy = waits ? last.busy : all;
    this.#vms.set(vm, { halts, busy });
    return busy;
  }
}

interface VmCounts {
  readonly vm: string;
  readonly all: number;
  readonly halts: number;
}

async function countsOf(link: Link): Promise<VmCounts[]> {
  const answers = await Promise.all(
    link.vms().map(
      async ({ slot, generation }) =>
        await link.vmCounters(slot, generation).then(
          (counts) => countsFrom(`${slot}.${generation}`, counts),
          () => undefined,
        ),
    ),
  );
  return answers.filter((answer) => answer !== undefined);
}

function countsFrom(vm: string, { exitsCom1, exitsHlt, exitsOther }: VmCounters): VmCounts {
  return {
    vm,
    all: exitsCom1 + exitsHlt + exitsOther,
    halts: exitsHlt,
  };
}
