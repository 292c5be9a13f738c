/**
 * All consoles of one instance: gives each VM that the link reports its console, under the name that
 * its label stands for, and keeps name, history and sessions while VMs restart and links come and go.
 *
 * A label (SMBIOS UUID) is set by the virtualized system and is no proof. A name is therefore never
 * taken away from a VM that is running: a second VM with the same label is known as `slot-N` until
 * the first is silent or gone.
 */
import { EventEmitter } from 'node:events';

import type { Link, VmRecord } from '../../link/index.js';
import { VmConsole } from './vm-console.js';

const HISTORY_BYTES = 1024 * 1024;
/** How long sessions wait for a VM that went to come back (it may be restarted). */
const GONE_GRACE_MS = 60_000;

export interface HubEvents {
  'vm-appeared': [console: VmConsole];
  /** The VM did not come back: its sessions have ended, its history stays readable if it had a name. */
  'vm-gone': [console: VmConsole];
  /** Its label is known now, or has changed. */
  'vm-renamed': [console: VmConsole, previousName: string];
}

export interface HubOptions {
  /** Kept of each VM's output, default 1 MiB. */
  historyBytes?: number;
  /** The configured name of a VM, by its label; undefined if it has none. */
  nameOf: (vm: VmRecord) => string | undefined;
  /** How long sessions wait for a VM that is gone, milliseconds, default 60 s. */
  goneGraceMs?: number;
}

/** What a gateway needs of it. */
export type ConsoleDirectory = Pick<ConsoleHub, 'vm' | 'list'>;

export class ConsoleHub extends EventEmitter<HubEvents> {
  readonly #historyBytes: number;
  readonly #nameOf: (vm: VmRecord) => string | undefined;
  readonly #graceMs: number;
  readonly #consoles = new Map<string, VmConsole>();
  readonly #graceTimers = new Map<VmConsole, NodeJS.Timeout>();
  #link: Link | undefined;
  /** The boot of L1 that the consoles' slots belong to. */
  #bootId: bigint | undefined;
  #closed = false;

  constructor(options: HubOptions) {
    super();
    this.#historyBytes = options.historyBytes ?? HISTORY_BYTES;
    this.#nameOf = options.nameOf;
    this.#graceMs = options.goneGraceMs ?? GONE_GRACE_MS;
  }

  /** The console of that name: a configured one, or `slot-N`. */
  vm(name: string): VmConsole | undefined {
    return this.#consoles.get(name);
  }

  list(): VmConsole[] {
    return [...this.#consoles.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Serves the VMs of that link from now on; an earlier one is let go. Its owner closes it. */
  attachLink(link: Link): void {
    if (this.#closed) throw new Error('the hub is closed');
    if (this.#link !== undefined) this.#detachLink(this.#link, 'lost');
    this.#link = link;
    this.#awaitReturn(link.hello.bootId);
    const current =
      <Arguments extends unknown[]>(listener: (...values: Arguments) => void) =>
      (...values: Arguments): void => {
        if (this.#link === link) listener(...values);
      };
    link.on(
      'close',
      current(() => this.#detachLink(link, 'lost')),
    );
    link.on('error', () => {
      // 'close' follows and says all that matters here.
    });
    link.on(
      'resync',
      current((hello) => {
        this.#bootId = hello.bootId;
        this.#detachVms(link, 'gone');
      }),
    );
    link.on(
      'vm',
      current((vm) => this.#onVm(link, vm)),
    );
    link.on(
      'drain',
      current((slot, generation) => this.#at(link, slot, generation)?.linkDrained()),
    );
    link.on(
      'data',
      current((slot, generation, bytes) => this.#at(link, slot, generation)?.output(bytes)),
    );
    for (const vm of link.vms()) this.#onVm(link, vm);
  }

  /** Ends all sessions and forgets everything. */
  close(): void {
    this.#closed = true;
    this.#link = undefined;
    for (const timer of this.#graceTimers.values()) clearTimeout(timer);
    this.#graceTimers.clear();
    for (const console of this.#consoles.values()) console.endSessions('hub-closed');
    this.#consoles.clear();
  }

  #at(link: Link, slot: number, generation: number): VmConsole | undefined {
    for (const console of this.#consoles.values()) {
      if (console.isAt(link, slot, generation)) return console;
    }
    return undefined;
  }

  #onVm(link: Link, vm: VmRecord): void {
    const console = this.#at(link, vm.slot, vm.generation);
    if (vm.state === 'gone') {
      if (console !== undefined) this.#onGone(console);
    } else if (console === undefined) {
      this.#onNew(link, vm);
    } else {
      console.update(vm);
      this.#label(link, console, vm);
    }
    if (vm.state !== 'running') this.#labelWaiting(link);
  }

  #onNew(link: Link, vm: VmRecord): void {
    const name = this.#freeName(vm);
    const holder = this.#consoles.get(name);
    if (
      holder !== undefined &&
      name === provisionalName(vm) &&
      holder.vm?.generation !== vm.generation
    ) {
      // The slot changed its tenant while the link was down.
      this.#onGone(holder);
    }
    const known = this.#consoles.get(name);
    const console = known ?? new VmConsole(name, this.#historyBytes);
    const back = known === undefined || known.state === 'gone';
    this.#consoles.set(name, console);
    this.#take(link, console, vm);
    if (back) this.emit('vm-appeared', console);
  }

  /** The name that this VM may have now. */
  #freeName(vm: VmRecord): string {
    const name = this.#nameOf(vm);
    const holder = name === undefined ? undefined : this.#consoles.get(name);
    if (name === undefined || holder?.state === 'running') return provisionalName(vm);
    return name;
  }

  /** Makes the console that of this VM, and lets a silent predecessor in another slot go. */
  #take(link: Link, console: VmConsole, vm: VmRecord): void {
    this.#endGrace(console);
    const old = console.state === 'silent' ? console.vm : undefined;
    console.attach(link, vm);
    if (old === undefined) return;
    // Its slot is wanted for others. If it is not silent after all, L1 keeps it, and it stays unnamed.
    link.forget(old.slot, old.generation).catch(() => {});
  }

  /** Gives a console the name that its VM's label stands for, if it has not got it already. */
  #label(link: Link, console: VmConsole, vm: VmRecord): void {
    const wanted = this.#nameOf(vm) ?? provisionalName(vm);
    if (console.name === wanted) return;
    const name = this.#freeName(vm);
    if (console.name === name) return;
    const previousName = console.name;
    const provisional = previousName === provisionalName(vm);
    const known = this.#consoles.get(name);
    if (!provisional) {
      // A named VM that changes its label is another VM as far as anyone can tell: nothing is carried over.
      this.#onGone(console);
      this.#onNew(link, vm);
    } else if (known === undefined) {
      this.#consoles.delete(previousName);
      console.rename(name);
      this.#consoles.set(name, console);
      this.emit('vm-renamed', console, previousName);
    } else {
      this.#consoles.delete(previousName);
      this.#take(link, known, vm);
      known.absorb(console);
      console.detach('gone');
      this.emit('vm-renamed', known, previousName);
    }
  }

  /** A name may have become free for a VM that is still known by its slot. */
  #labelWaiting(link: Link): void {
    for (const vm of link.vms()) {
      const console = this.#at(link, vm.slot, vm.generation);
      if (console?.name === provisionalName(vm)) this.#label(link, console, vm);
    }
  }

  #onGone(console: VmConsole): void {
    const named = console.vm === undefined || console.name !== provisionalName(console.vm);
    console.detach('gone');
    // Another VM may get the same slot: it must not inherit anything through a provisional name.
    if (!named) this.#consoles.delete(console.name);
    if (!named || console.sessionCount === 0) return this.#end(console);
    this.#afterGrace(console, () => this.#end(console));
  }

  /** Only the last that was asked for happens, and nothing if the VM is back by then. */
  #afterGrace(console: VmConsole, act: () => void): void {
    this.#endGrace(console);
    this.#graceTimers.set(console, setTimeout(act, this.#graceMs));
  }

  #endGrace(console: VmConsole): void {
    clearTimeout(this.#graceTimers.get(console));
    this.#graceTimers.delete(console);
  }

  #end(console: VmConsole): void {
    this.#endGrace(console);
    console.endSessions('vm-gone');
    this.emit('vm-gone', console);
  }

  /** VMs that were cut off with the last link: gone if L1 has rebooted, else they have some time to return. */
  #awaitReturn(bootId: bigint): void {
    const rebooted = this.#bootId !== bootId;
    this.#bootId = bootId;
    for (const console of this.#consoles.values()) {
      if (console.state !== 'lost') continue;
      if (rebooted) this.#onGone(console);
      else this.#afterGrace(console, () => this.#onGone(console));
    }
  }

  #detachLink(link: Link, reason: 'lost'): void {
    this.#detachVms(link, reason);
    this.#link = undefined;
  }

  #detachVms(link: Link, reason: 'gone' | 'lost'): void {
    for (const console of this.#consoles.values()) {
      const { vm } = console;
      if (vm === undefined || !console.isAt(link, vm.slot, vm.generation)) continue;
      if (reason === 'gone') this.#onGone(console);
      else console.detach(reason);
    }
  }
}

function provisionalName(vm: VmRecord): string {
  return `slot-${vm.slot}`;
}
