/**
 * All consoles of one instance: gives each VM that the link reports its console, under the name that
 * its label stands for, and keeps name, history and sessions while VMs restart and links come and go.
 *
 * A label (SMBIOS UUID) is set by the virtualized system and is no proof. So a name is given once: never
 * to a VM whose label is doubtful, or that had another one; never while another VM has it that runs or may
 * run; never to one in another domain, while that in which the name was given is there. Such a VM is known
 * by its slot and generation. Who is at a console is told whenever what is behind it has changed.
 */
import { EventEmitter } from 'node:events';

import { VsbError } from '../../base/errors.js';
import type { Watched } from '../../contract/watched.js';
import type { Link, VmRecord } from '../../link/index.js';
import { longName, meantBy, shortName, slotName } from '../names.js';
import { VmConsole } from './vm-console.js';

const HISTORY_BYTES = 1024 * 1024;
/** How long sessions wait for a VM that went to come back (it may be restarted). */
const GONE_GRACE_MS = 60_000;
/** Histories kept of VMs that are gone and have no name of the configuration. */
const GONE_KEPT = 16;

export interface HubEvents {
  'vm-appeared': [console: VmConsole];
  /** The VM did not come back: its sessions have ended, its history stays readable if it had a name. */
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

/** What a gateway needs of it. */
export type ConsoleDirectory = Pick<ConsoleHub, 'find' | 'nameOf' | 'list'>;

export class ConsoleHub extends EventEmitter<HubEvents> {
  readonly #historyBytes: number;
  readonly #nameOf: (vm: VmRecord) => string | undefined;
  readonly #graceMs: number;
  readonly #consoles = new Map<string, VmConsole>();
  readonly #graceTimers = new Map<VmConsole, NodeJS.Timeout>();
  readonly #forgetTimers = new Set<NodeJS.Timeout>();
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
    const console = this.vm(word) ?? this.#byUuid(word);
    if (console === undefined || console.rivals.length === 0) return console;
    const { name, vm, rivals } = console;
    const own = vm === undefined ? name : slotName(vm);
    if (word === own) return console;
    const many = `${rivals.length + 1} VMs run with the UUID of '${name}'`;
    throw ambiguous(`${many}, and one of them only is it`, [own, ...rivals]);
  }

  /** The name under which rights to a console are kept; for a word that means none, the word. */
  nameOf(word: string): string {
    return (this.vm(word) ?? this.#uniqueByUuid(word))?.name ?? word;
  }

  #byUuid(word: string): VmConsole | undefined {
    const meant = this.#meantBy(word);
    if (meant.length <= 1) return meant[0];
    const names = meant.map(({ name }) => name);
    throw ambiguous(`'${word}' is the beginning of several UUIDs`, names);
  }

  #uniqueByUuid(word: string): VmConsole | undefined {
    const [one, ...others] = this.#meantBy(word);
    return others.length === 0 ? one : undefined;
  }

  /** Those with a name of their own: what a doubtful VM says of itself leads nowhere. */
  #meantBy(word: string): VmConsole[] {
    const all = this.list().flatMap((console) =>
      hasOwnName(console) ? [{ console, name: console.name, uuid: console.vm?.uuid }] : [],
    );
    return meantBy(word, all).map(({ console }) => console);
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
    for (const timer of this.#forgetTimers) clearTimeout(timer);
    this.#forgetTimers.clear();
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
    const now = this.#at(link, vm.slot, vm.generation);
    if (now !== undefined) {
      for (const change of now.see(vm.evidence)) this.emit('vm-watched', now, change);
    }
    if (vm.state !== 'running') this.#labelWaiting(link);
    this.#compareLabels();
  }

  #onNew(link: Link, vm: VmRecord): void {
    this.#onNewTenant(vm);
    const name = this.#freeName(vm);
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

  /** The name that this VM may have now. */
  #freeName(vm: VmRecord, nameless = false): string {
    const own = slotName(vm);
    if (vm.uuid === undefined || vm.doubtful || nameless) return own;
    const wanted = this.#wantedName(vm, vm.uuid);
    const holder = this.#consoles.get(wanted);
    return holder === undefined || this.#yields(holder, vm) ? wanted : own;
  }

  #wantedName(vm: VmRecord, uuid: string): string {
    const configured = this.#nameOf(vm);
    if (configured !== undefined) return configured;
    const other = this.#consoles.get(shortName(uuid))?.vm?.uuid;
    return other === undefined || other === uuid ? shortName(uuid) : longName(uuid);
  }

  /** Whether the VM behind a name lets this one have it. */
  #yields(holder: VmConsole, vm: VmRecord): boolean {
    const had = holder.vm;
    if (had === undefined) return true;
    if (had.slot === vm.slot && had.generation === vm.generation) return had.domid === vm.domid;
    if (had.uuid !== vm.uuid || holder.state === 'running' || holder.state === 'lost') return false;
    return had.domid === vm.domid || this.#isOver(had.domid);
  }

  /** The console that goes on under a name: not that of another domain's VM, whose sessions and history end here. */
  #heir(name: string, vm: VmRecord): VmConsole | undefined {
    const console = this.#consoles.get(name);
    if (console?.vm === undefined || console.vm.domid === vm.domid) return console;
    this.#endGrace(console);
    console.endSessions('vm-gone');
    this.#consoles.delete(name);
    this.emit('vm-gone', console);
    return undefined;
  }

  /** Whether no VM of that domain is left. */
  #isOver(domid: number): boolean {
    return this.list().every(({ vm, state }) => vm?.domid !== domid || state === 'gone');
  }

  /** Makes the console that of this VM, and lets a silent predecessor in another slot go. */
  #take(link: Link, console: VmConsole, vm: VmRecord): void {
    this.#endGrace(console);
    const old = console.state === 'silent' ? console.vm : undefined;
    console.attach(link, vm);
    if (old !== undefined) this.#forgetLater(link, old);
  }

  /** A VM whose name is another's now has probably ended: if it does not run, its slot is wanted. */
  #forgetLater(link: Link, { slot, generation }: VmRecord): void {
    const timer = setTimeout(() => {
      this.#forgetTimers.delete(timer);
      // L1 does so for a silent one only.
      link.forget(slot, generation).catch(() => {});
    }, this.#graceMs);
    this.#forgetTimers.add(timer);
  }

  /** Gives a console the name that its VM's label stands for, if it has not got it already. */
  #label(link: Link, console: VmConsole, vm: VmRecord): void {
    const name = this.#freeName(vm, console.nameless);
    if (console.name === name) return;
    const previousName = console.name;
    if (previousName !== slotName(vm)) {
      if (this.#holds(console, vm)) return;
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

  /** Whether the name that a console has is still the one that its VM's label stands for. */
  #holds(console: VmConsole, vm: VmRecord): boolean {
    if (vm.uuid === undefined || vm.doubtful) return false;
    const { name } = console;
    const configured = this.#nameOf(vm);
    if (configured !== undefined) return name === configured;
    return name === shortName(vm.uuid) || name === longName(vm.uuid);
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
    const running = this.list().filter(({ state, vm }) => state === 'running' && !vm?.doubtful);
    for (const console of this.#consoles.values()) {
      const uuid = running.includes(console) ? console.vm?.uuid : undefined;
      const rivals = running.flatMap((other) =>
        uuid !== undefined && other !== console && other.vm?.uuid === uuid
          ? [slotName(other.vm)]
          : [],
      );
      console.setRivals(rivals);
    }
  }

  #onGone(console: VmConsole): void {
    const named = hasOwnName(console);
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
        this.#nameOf(vm) === undefined,
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

function ambiguous(why: string, names: readonly string[]): VsbError {
  // In the message, which is all that SSH shows.
  const message = `${why}: say which, of ${names.join(', ')}`;
  return new VsbError('E_VM_AMBIGUOUS', message, { layer: 'console' });
}

/** Or that of its slot alone. */
function hasOwnName({ name, vm }: VmConsole): boolean {
  return vm === undefined || name !== slotName(vm);
}
