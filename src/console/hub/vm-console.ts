/**
 * The console of one VM: its history, its sessions, and whatever slot of the hypervisor the VM has now. The VM may go and
 * come back (another slot, another generation): name, history and sessions stay.
 */
import { sentenceOf, type EvidenceKind, type Watched } from '../../contract/watched.js';
import type { VmRecord } from '../../link/index.js';
import { History } from './history.js';
import { InputQueue, type ConsoleLink, type Endpoint } from './input-queue.js';
import {
  Session,
  type SessionEnd,
  type SessionMode,
  type SessionOptions,
  type SessionTarget,
} from './session.js';
import { WatchLog } from './watch-log.js';

/** `lost`: the link to the hypervisor is down, the VM may well run. */
export type VmConsoleState = 'running' | 'silent' | 'gone' | 'lost';

export interface VmConsoleInfo {
  readonly name: string;
  readonly state: VmConsoleState;
  readonly vm: VmRecord | undefined;
  readonly sessions: readonly SessionInfo[];
  /** Bytes ever printed, and those that are still kept. */
  readonly bytesOut: number;
  readonly bytesKept: number;
  /** Input bytes taken from sessions. */
  readonly bytesIn: number;
}

/** One of those at the console. */
export interface SessionInfo {
  readonly label: string;
  readonly mode: SessionMode;
  /** Whether it is the one that types. */
  readonly writes: boolean;
  readonly since: Date;
  /** Output bytes that it was too slow for. */
  readonly missed: number;
}

export class VmConsole implements SessionTarget {
  readonly history: History;
  readonly #sessions = new Set<Session>();
  readonly #input: InputQueue;
  #name: string;
  #inputTotal = 0;
  #endpoint: Endpoint | undefined;
  /** The VM's last known record, also after it went. */
  #vm: VmRecord | undefined;
  #gone = false;
  #toldSessions: number | undefined = 0;
  #writer: Session | undefined;
  #rivals: readonly string[] = [];
  readonly #watchLog = new WatchLog();
  /** It has had a label, and had another one later: no name is its own. */
  readonly nameless: boolean;

  constructor(name: string, historyBytes: number, nameless = false) {
    this.#name = name;
    this.nameless = nameless;
    this.history = new History(historyBytes);
    this.#input = new InputQueue({
      vmName: () => this.#name,
      endpoint: () => this.#endpoint,
      onDrain: () => {
        for (const session of this.#sessions) session.emit('drain');
      },
    });
  }

  get name(): string {
    return this.#name;
  }

  get state(): VmConsoleState {
    if (this.#endpoint !== undefined) return this.#endpoint.vm.state;
    return this.#gone ? 'gone' : 'lost';
  }

  /** The VM's slot, generation, domain and label; the last known ones if it is gone. */
  get vm(): VmRecord | undefined {
    return this.#vm;
  }

  /** Other VMs that run with the same label: nobody can tell which is meant. */
  get rivals(): readonly string[] {
    return this.#rivals;
  }

  /** What was seen of an L2 that watches this VM, since this console is there. */
  get watched(): readonly Watched[] {
    return this.#watchLog.list();
  }

  /** For sessions: what their users are told first. */
  get warnings(): readonly string[] {
    return this.watched.map(sentenceOf);
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  info(): VmConsoleInfo {
    return {
      name: this.#name,
      state: this.state,
      vm: this.#vm,
      sessions: this.#counted().map(({ label, mode, writes, since, missed }) => ({
        ...{ label, mode, writes, since, missed },
      })),
      bytesOut: this.history.end,
      bytesKept: this.history.end - this.history.start,
      bytesIn: this.#inputTotal,
    };
  }

  /** A new session; on the console of a VM that is gone it can read the history until it is closed. */
  openSession(options: SessionOptions): Session {
    const session = new Session(this, options);
    this.#sessions.add(session);
    if (options.mode === 'rw') this.claimWriter(session, options.take === true);
    this.#tellAttached();
    return session;
  }

  get writer(): Session | undefined {
    return this.#writer;
  }

  /** For sessions. */
  claimWriter(session: Session, force: boolean): boolean {
    const previous = this.#writer;
    if (previous === session) return true;
    if (previous !== undefined && !force) return false;
    this.#writer = session;
    previous?.emit('role', false, session.label);
    session.emit('role', true, previous?.label);
    return true;
  }

  /** Tells those at the console, beside the output. */
  tell(text: string, except?: Session): void {
    for (const session of this.#counted()) if (session !== except) session.emit('notice', text);
  }

  /**
   * For sessions. Input for a VM that is gone is dropped: a successor must not get its passwords.
   * @throws VsbError E_CONSOLE_REFUSED when too much waits
   */
  writeInput(bytes: Buffer): boolean {
    const enough = !this.#gone && !this.#input.push(bytes);
    this.#inputTotal += bytes.length;
    return !enough;
  }

  /** @throws VsbError E_VM_GONE; E_CONSOLE_REFUSED when the VM does not read what was typed before */
  async sendBreak(): Promise<void> {
    await this.#input.sendBreak();
  }

  sessionClosed(session: Session): void {
    this.#sessions.delete(session);
    if (this.#writer === session) {
      this.#writer = undefined;
      this.tell(`${session.label} has left, nobody types here now`);
    }
    this.#tellAttached();
  }

  // ---- for the hub ----

  /** Whether messages of that slot on that link are this VM's. */
  isAt(link: ConsoleLink, slot: number, generation: number): boolean {
    const here = this.#endpoint;
    return here?.link === link && here.vm.slot === slot && here.vm.generation === generation;
  }

  attach(link: ConsoleLink, vm: VmRecord): void {
    const before = this.#vm;
    const same = before?.slot === vm.slot && before.generation === vm.generation;
    if (!same) this.#input.drop();
    const away = this.#endpoint === undefined;
    this.#endpoint = { link, vm };
    this.#vm = vm;
    this.#gone = false;
    // Whoever was told before, of this link or by another daemon: it is not known what.
    this.#toldSessions = undefined;
    const again = before !== undefined && !same;
    if (again) this.history.markStart();
    if (again) this.tell(`the VM is back: ${whereNow(vm, away)}`);
    else if (before !== undefined && away) this.tell('the link to the VM is back');
    this.#tellAttached();
    this.#input.unblock();
  }

  update(vm: VmRecord): void {
    if (vm.grown && this.#vm?.grown !== true) {
      this.tell('the VM has got another vCPU, long after its start: L2 has added it');
    }
    if (this.#endpoint !== undefined) this.#endpoint.vm = vm;
    this.#vm = vm;
  }

  /** What L2 does to the VM now; tells those who are there, and gives what has begun or ended. */
  see(evidence: readonly EvidenceKind[]): readonly Watched[] {
    const changes = this.#watchLog.update(evidence);
    for (const change of changes) this.tell(sentenceOf(change));
    return changes;
  }

  /** The VM is no longer reachable: because it is gone, or because the link is. */
  detach(reason: 'gone' | 'lost'): void {
    this.#endpoint = undefined;
    if (reason === 'lost') {
      this.tell('the link to the VM is lost, what is typed waits for it');
      return;
    }
    if (!this.#gone) this.tell('the VM has ended; if it starts again, this session goes on');
    this.#gone = true;
    if (this.#vm !== undefined) this.#vm = { ...this.#vm, state: 'gone' };
    this.#input.drop();
  }

  output(bytes: Buffer): void {
    this.history.append(bytes);
    for (const session of this.#sessions) session.emit('readable');
  }

  linkDrained(): void {
    this.#input.unblock();
  }

  rename(name: string): void {
    this.#name = name;
  }

  setRivals(names: readonly string[]): void {
    const added = names.filter((name) => !this.#rivals.includes(name));
    const wasAlone = this.#rivals.length === 0;
    this.#rivals = names;
    if (added.length > 0) {
      this.tell(
        `another VM runs with the same UUID, as ${added.join(', ')}: one of them is not it`,
      );
    } else if (names.length === 0 && !wasAlone) {
      this.tell('no other VM runs with the same UUID any more');
    }
  }

  /** Takes over all that a console of the same VM under a provisional name has had so far. */
  absorb(other: VmConsole): void {
    const position = this.history.end;
    const kept = other.history.read(0, Number.MAX_SAFE_INTEGER);
    if (kept !== undefined) this.history.append(kept.bytes);
    for (const session of other.#sessions) {
      session.moveTo(this, position);
      this.#sessions.add(session);
    }
    other.#sessions.clear();
    if (other.#writer !== undefined && !this.claimWriter(other.#writer, false)) {
      other.#writer.emit('role', false, this.#writer?.label);
    }
    other.#writer = undefined;
    this.#inputTotal += other.#inputTotal;
    this.#tellAttached();
    this.#input.absorb(other.#input);
    for (const session of this.#sessions) session.emit('readable');
  }

  endSessions(reason: SessionEnd): void {
    for (const session of [...this.#sessions]) session.end(reason);
  }

  /** Without the program's own watchers. */
  #counted(): Session[] {
    return [...this.#sessions].filter((session) => session.counted);
  }

  /** L1 captures HLTs while somebody may type (who only watches does not); it starts from 0 whenever it gives a slot away. */
  #tellAttached(): void {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) return;
    const sessions = this.#counted().filter(({ mode }) => mode === 'rw').length;
    if (sessions === this.#toldSessions) return;
    this.#toldSessions = sessions;
    // Only an optimisation of L1's: if the VM or the link went in the meantime, there is nothing to tell.
    endpoint.link.setAttached(endpoint.vm.slot, endpoint.vm.generation, sessions).catch(() => {});
  }
}

/** For those who were at a VM's console and are at that of the next one with its label. */
function whereNow({ slot, generation }: VmRecord, away: boolean): string {
  const what = away ? 'started again' : 'another one';
  return `${what}, slot ${slot}, generation ${generation}; it has the UUID of the one before`;
}
