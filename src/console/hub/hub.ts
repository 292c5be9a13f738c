/**
 * All consoles of one instance: gives each VM that the link reports its console, under the name that its label stands
 * for (naming.ts), and keeps name, history and sessions while VMs restart and links come and go. Who is at a console is
 * told whenever what is behind it has changed.
 */
import { EventEmitter } from 'node:events';

import type { Watched } from '../../contract/watched.js';
import type { Link, VmRecord } from '../../link/index.js';
import { slotName } from '../../config/vm-names.js';
import { assertUnrivalled, byUuid, uniqueByUuid } from './lookup.js';
import { hasOwnName, Naming, rivalsOf } from './naming.js';
import { Timers } from './timers.js';
import { VmConsole } from './vm-console.js';

const HISTORY_BYTES = 1024 * 1024;
/** How long sessions wait for a VM that went to come back (it may be restarted). */
const GONE_GRACE_MS = 60_000;
/** Histories kept of VMs that are gone and have no name of the configuration. */
const GONE_KEPT = 16;

export interface HubEvents {
  'vm-appeared': [console: VmConsole];
  /** It did not come back: its sessions have ended, its history stays readable if it had a name. */
  'vm-gone': [console: VmConsole];
  /** Its label is known now, or has changed. */
  'vm-renamed': [console: VmConsole, previousName: string];
  /** L2 has begun to watch it, or ceased. */
  'vm-watched': [console: VmConsole, change: Watched];
}

export interface HubOptions {
  /** Kept of each VM's output, default 1 MiB. */
  historyBytes?: number;
  /** The configured name of a VM, by its label; undefined if it has none. */
  nameOf: (vm: VmRecord) => string | undefined;
  /** How long sessions wait for a VM that is gone, milliseconds, default 60 s. */
  goneGraceMs?: number;
}

export class ConsoleHub extends EventEmitter<HubEvents> {
  readonly #historyBytes: number;
  readonly #naming: Naming;
  readonly #graceMs: number;
  readonly #consoles = new Map<string, VmConsole>();
  /** What happens to a console whose VM does not come back. */
  readonly #graces = new Timers<VmConsole>();
  /** Slots that L1 may give away. */
  readonly #forgets = new Timers<VmRecord>();
  #link: Link | undefined;
  /** The boot of L1 that the consoles' slots belong to. */
  #bootId: bigint | undefined;
  #closed = false;

  constructor(options: HubOptions) {
    super();
    this.#historyBytes = options.historyBytes ?? HISTORY_BYTES;
    this.#naming = new Naming(options.nameOf, this.#consoles);
    this.#graceMs = options.goneGraceMs ?? GONE_GRACE_MS;
  }

  /** The console of that name; every VM that is there has its slot's, too. */
  vm(name: string): VmConsole | undefined {
    const named = this.#consoles.get(name);
    if (named !== undefined) return named;
    return this.list().find(({ vm }) => vm !== undefined && slotName(vm) === name);
  }

  /**
   * The console that a user means: by its name, its UUID, or the beginning of that.
   *
   * @throws VsbError E_VM_AMBIGUOUS where it could be another VM's
   */
  find(word: string): VmConsole | undefined {
    const console = this.vm(word) ?? byUuid(word, this.list());
    if (console !== undefined) assertUnrivalled(console, word);
    return console;
  }

  /** The name under which rights to a console are kept; for a word that means none, the word. */
  nameOf(word: string): string {
    return (this.vm(word) ?? uniqueByUuid(word, this.list()))?.name ?? word;
  }

  list(): VmConsole[] {
    return [...this.#consoles.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Serves the VMs of that link from now on; an earlier one is let go. Its owner closes it. */
  attachLink(link: Link): void {
    if (this.#closed) throw new Error('the hub is closed');
    if (this.#link !== undefined) this.#detachLink(this.#link);
    this.#link = link;
    this.#awaitReturn(link.hello.bootId);
    link.on('close', () => this.#detachLink(link));
    link.on('error', () => undefined); // 'close' follows and says all that matters here.
    link.on('resync', ({ bootId }) => this.#onReboot(link, bootId));
    link.on('vm', (vm) => this.#onVm(link, vm));
    link.on('drain', (slot, generation) => this.#at(link, slot, generation)?.linkDrained());
    link.on('data', (slot, generation, bytes) => this.#at(link, slot, generation)?.output(bytes));
    for (const vm of link.vms()) this.#onVm(link, vm);
  }

  /** Ends all sessions and forgets everything. */
  close(): void {
    this.#closed = true;
    this.#link = undefined;
    this.#graces.clear();
    this.#forgets.clear();
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
    // One that was let go has nothing to say any more.
    if (this.#link !== link) return;
    const console = this.#at(link, vm.slot, vm.generation);
    if (vm.state === 'gone') {
      if (console !== undefined) this.#onGone(console);
    } else if (console === undefined) {
      this.#onNew(link, vm);
    } else {
      console.update(vm);
      this.#label(link, console, vm);
    }
    const now = this.#at(link, vm.slot, vm.generation);
    if (now !== undefined) {
      for (const change of now.see(vm.evidence)) this.emit('vm-watched', now, change);
    }
    if (vm.state !== 'running') this.#labelWaiting(link);
    this.#compareLabels();
  }

  #onNew(link: Link, vm: VmRecord): void {
    this.#onNewTenant(vm);
    const name = this.#naming.freeName(vm);
    const known = this.#heir(name, vm);
    const console = known ?? new VmConsole(name, this.#historyBytes);
    const back = known === undefined || known.state === 'gone';
    this.#consoles.set(name, console);
    this.#take(link, console, vm);
    if (back) this.emit('vm-appeared', console);
  }

  /** Whoever had that slot before is gone, also if it went while the link was down. */
  #onNewTenant(vm: VmRecord): void {
    for (const console of [...this.#consoles.values()]) {
      const before = console.vm;
      if (before?.slot !== vm.slot || before.generation === vm.generation) continue;
      if (vm.doubtful && ((before.generation + 1) & 0xffff) === vm.generation) {
        const label = vm.uuid === undefined ? 'no label' : `the label ${vm.uuid}`;
        console.tell(`after a reset this VM has ${label}: as ${slotName(vm)} it goes on`);
      }
      if (console.state === 'lost') this.#onGone(console);
    }
  }

  /** The console that goes on under a name: not that of another domain's VM, whose sessions and history end here. */
  #heir(name: string, vm: VmRecord): VmConsole | undefined {
    const console = this.#consoles.get(name);
    if (console?.vm === undefined || console.vm.domid === vm.domid) return console;
    this.#graces.cancel(console);
    console.endSessions('vm-gone');
    this.#consoles.delete(name);
    this.emit('vm-gone', console);
    return undefined;
  }

  /** Makes the console that of this VM, and lets a silent predecessor in another slot go. */
  #take(link: Link, console: VmConsole, vm: VmRecord): void {
    this.#graces.cancel(console);
    const old = console.state === 'silent' ? console.vm : undefined;
    console.attach(link, vm);
    if (old !== undefined) this.#forgetLater(link, old);
  }

  /** A VM whose name is another's now has probably ended: if it does not run, its slot is wanted. */
  #forgetLater(link: Link, old: VmRecord): void {
    this.#forgets.after(this.#graceMs, old, () => {
      // L1 does so for a silent one only.
      link.forget(old.slot, old.generation).catch(() => {});
    });
  }

  /** Gives a console the name that its VM's label stands for, if it has not got it already. */
  #label(link: Link, console: VmConsole, vm: VmRecord): void {
    const name = this.#naming.freeName(vm, console.nameless);
    if (console.name === name) return;
    const previousName = console.name;
    if (previousName !== slotName(vm)) {
      if (this.#naming.holds(console, vm)) return;
      // Its label is another one: it is nobody from now on, and nothing is carried over.
      console.tell(`this VM has changed its label: as ${slotName(vm)} it goes on`);
      this.#onGone(console);
      const next = new VmConsole(slotName(vm), this.#historyBytes, true);
      this.#consoles.set(next.name, next);
      next.attach(link, vm);
      this.emit('vm-appeared', next);
      return;
    }
    const known = this.#heir(name, vm);
    this.#consoles.delete(previousName);
    if (known === undefined) {
      console.rename(name);
      console.tell(`this VM is ${name}: its firmware has given it the UUID ${vm.uuid}`);
      this.#consoles.set(name, console);
      this.emit('vm-renamed', console, previousName);
    } else {
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
      if (console !== undefined && !hasOwnName(console)) this.#label(link, console, vm);
    }
  }

  /** Who runs with the same label as another is told so. */
  #compareLabels(): void {
    for (const [console, rivals] of rivalsOf(this.list())) console.setRivals(rivals);
  }

  #onGone(console: VmConsole): void {
    const named = hasOwnName(console);
    console.detach('gone');
    // Another VM may get the same slot: it must not inherit anything through a provisional name.
    if (!named) this.#consoles.delete(console.name);
    if (!named || console.sessionCount === 0) return this.#end(console);
    this.#graces.after(this.#graceMs, console, () => this.#end(console));
  }

  #end(console: VmConsole): void {
    this.#graces.cancel(console);
    console.endSessions('vm-gone');
    this.emit('vm-gone', console);
    if (this.#link !== undefined) this.#labelWaiting(this.#link);
    this.#compareLabels();
    this.#prune();
  }

  /** VMs come and go by the hundred: the latest histories will do. */
  #prune(): void {
    const gone = [...this.#consoles.values()].filter(
      ({ state, sessionCount, vm }) =>
        state === 'gone' &&
        sessionCount === 0 &&
        vm !== undefined &&
        this.#naming.configured(vm) === undefined,
    );
    // In the order in which they were first seen.
    for (const console of gone.slice(0, Math.max(0, gone.length - GONE_KEPT))) {
      this.#consoles.delete(console.name);
    }
  }

  /** VMs that were cut off with the last link: gone if L1 has rebooted, else they have some time to return. */
  #awaitReturn(bootId: bigint): void {
    const rebooted = this.#bootId !== bootId;
    this.#bootId = bootId;
    for (const console of this.#consoles.values()) {
      if (console.state !== 'lost') continue;
      if (rebooted) this.#onGone(console);
      else this.#graces.after(this.#graceMs, console, () => this.#onGone(console));
    }
  }

  #onReboot(link: Link, bootId: bigint): void {
    if (this.#link !== link) return;
    this.#bootId = bootId;
    this.#detachVms(link, 'gone');
  }

  #detachLink(link: Link): void {
    this.#detachVms(link, 'lost');
    if (this.#link === link) this.#link = undefined;
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
