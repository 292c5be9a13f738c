/** The shadow hypervisor as the daemon sees it: what happens in it, and what it can be asked for. */
import { EventEmitter } from 'node:events';

import {
  globalCountersOf,
  vmCountersOf,
  type GlobalCounters,
  type VmCounters,
} from './counters.js';
import { GLOBAL_SLOT } from './frame.js';
import type {
  HelloRecord,
  HltPolicy,
  IrqMode,
  Request,
  SlotAddress,
  VmRecord,
  VmState,
} from './messages.js';

export interface LinkEvents {
  /** A VM appeared (no previous state), or its state, label, domain or hook changed. */
  vm: [vm: VmRecord, previous: VmState | undefined];
  /** Console output, each byte once and in order. */
  data: [slot: number, generation: number, bytes: Buffer];
  /** The level that the interrupt server in L2 is to bring the line of the VM's IRQ 4 to. */
  line: [vm: VmRecord, high: boolean];
  /** write() said false and takes more now. */
  drain: [slot: number, generation: number];
  /** L1 has rebooted: all VMs, streams and pending requests are void. */
  resync: [hello: HelloRecord];
  error: [error: Error];
  close: [];
}

/** Requests resolve when the hypervisor has answered. They throw VsbError E_LINK_TIMEOUT, E_LINK_REFUSED, E_VM_GONE, E_LINK_CLOSED. */
export abstract class Hypervisor extends EventEmitter<LinkEvents> {
  /**
   * A BREAK condition on the VM's receive line, behind all that was written before. What is written meanwhile may come
   * before it.
   * @throws the signal's reason when it is aborted
   */
  abstract sendBreak(slot: number, generation: number, signal: AbortSignal): Promise<void>;

  protected abstract request(address: SlotAddress, request: Request): Promise<readonly bigint[]>;

  /** Shadows the VM's COM1, or leaves it to the virtualized system. */
  async setHook(slot: number, generation: number, on: boolean): Promise<void> {
    await this.request({ slot, generation }, { type: 'hook', on });
  }

  /** When HLTs of a VM are captured; {@link GLOBAL_SLOT} with generation 0 sets all and the default. */
  async setHltPolicy(slot: number, generation: number, policy: HltPolicy): Promise<void> {
    await this.request({ slot, generation }, { type: 'hltPolicy', policy });
  }

  /** How L2 is made to raise IRQ 4 of any VM. */
  async setIrqMode(mode: IrqMode): Promise<void> {
    await this.request({ slot: GLOBAL_SLOT, generation: 0 }, { type: 'irqMode', mode });
  }

  /**
   * From the answer on L1 runs no guest on the CPU that serves the link, until it is asked for 0 ms, or the time is over.
   * @param milliseconds of L1's clock, at most 1000
   */
  async hold(milliseconds: number): Promise<void> {
    await this.request({ slot: GLOBAL_SLOT, generation: 0 }, { type: 'hold', milliseconds });
  }

  /** Tells L1 how many console sessions (0..65535) the VM has: somebody may type. */
  async setAttached(slot: number, generation: number, sessions: number): Promise<void> {
    await this.request({ slot, generation }, { type: 'attached', sessions });
  }

  /** Frees the slot of a silent VM. */
  async forget(slot: number, generation: number): Promise<void> {
    await this.request({ slot, generation }, { type: 'forget' });
  }

  async vmCounters(slot: number, generation: number): Promise<VmCounters> {
    return vmCountersOf(await this.request({ slot, generation }, { type: 'getCounters' }));
  }

  async globalCounters(): Promise<GlobalCounters> {
    const address = { slot: GLOBAL_SLOT, generation: 0 };
    return globalCountersOf(await this.request(address, { type: 'getCounters' }));
  }
}
