/**
 * What was typed at a VM's console, on its way to the link: in order, BREAKs in their place among the characters, and
 * no faster than the VM reads. Without a VM to send it to it waits here.
 */
import { VsbError } from '../../base/errors.js';
import type { Link, VmRecord } from '../../link/index.js';

/** Input that waits here while the link takes no more, bytes: "enough", and the limit. */
const INPUT_HIGH = 64 * 1024;
const INPUT_LIMIT = 8 * 1024 * 1024;
/** Given to the link at once, bytes: it buffers little more than it says "enough" at. */
const PIECE = 4096;
/** A BREAK waits behind what was typed before it, for a VM that does not read: milliseconds. */
const BREAK_LIMIT_MS = 5000;

/** What a console needs of the way to its VM. */
export type ConsoleLink = Pick<Link, 'write' | 'setAttached' | 'sendBreak'>;

/** Where a VM is now. */
export interface Endpoint {
  readonly link: ConsoleLink;
  vm: VmRecord;
}

export interface InputQueueOptions {
  /** For messages. */
  readonly vmName: () => string;
  /** Where what waits goes; undefined while the VM cannot be reached. */
  readonly endpoint: () => Endpoint | undefined;
  /** It said "enough", and there is room again. */
  readonly onDrain: () => void;
}

/** A BREAK in its place among the input. */
class PendingBreak {
  readonly settled: Promise<void>;
  resolve!: () => void;
  reject!: (error: unknown) => void;

  constructor(readonly signal: AbortSignal) {
    this.settled = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
  }
}

export class InputQueue {
  readonly #options: InputQueueOptions;
  readonly #items: (Buffer | PendingBreak)[] = [];
  #bytes = 0;
  /** The link said "enough". */
  #blocked = false;
  /** A BREAK is on its way to L1, and what was typed after it waits. */
  #breaking = false;
  #drainOwed = false;

  constructor(options: InputQueueOptions) {
    this.#options = options;
  }

  /**
   * @returns false when it is enough for now: `onDrain` follows
   * @throws VsbError E_CONSOLE_REFUSED when too much waits. Each session stops at "enough", but sessions come and go
   */
  push(bytes: Buffer): boolean {
    if (this.#bytes + bytes.length > INPUT_LIMIT) {
      throw this.#refusal('reads nothing, and too much waits for it already');
    }
    this.#items.push(bytes);
    this.#bytes += bytes.length;
    this.#flush();
    if (this.#bytes < INPUT_HIGH) return true;
    this.#drainOwed = true;
    return false;
  }

  /** @throws VsbError E_VM_GONE; E_CONSOLE_REFUSED when the VM does not read what was typed before */
  async sendBreak(): Promise<void> {
    if (this.#options.endpoint() === undefined) throw this.#noBreak();
    const limit = new AbortController();
    const pending = new PendingBreak(limit.signal);
    const timer = setTimeout(() => {
      const reason = this.#refusal(
        'does not read what was typed before, so the BREAK was not sent',
      );
      limit.abort(reason);
      const index = this.#items.indexOf(pending);
      if (index >= 0) this.#items.splice(index, 1);
      pending.reject(reason);
    }, BREAK_LIMIT_MS);
    this.#items.push(pending);
    this.#flush();
    try {
      await pending.settled;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The link takes more, or is another one. */
  unblock(): void {
    this.#blocked = false;
    this.#flush();
  }

  /** Forgets what waits. */
  drop(): void {
    for (const item of this.#items) {
      if (item instanceof PendingBreak) item.reject(this.#noBreak());
    }
    this.#items.length = 0;
    this.#bytes = 0;
    this.#drained();
  }

  /** Takes over what waits in another one. */
  absorb(other: InputQueue): void {
    this.#items.push(...other.#items.splice(0));
    this.#bytes += other.#bytes;
    other.#bytes = 0;
    this.#flush();
  }

  #flush(): void {
    const endpoint = this.#options.endpoint();
    while (endpoint !== undefined && !this.#blocked && !this.#breaking) {
      const whole = this.#items.shift();
      if (whole === undefined) break;
      if (whole instanceof PendingBreak) {
        void this.#passBreak(endpoint, whole);
        break;
      }
      const bytes = whole.subarray(0, PIECE);
      if (whole.length > PIECE) this.#items.unshift(whole.subarray(PIECE));
      this.#bytes -= bytes.length;
      this.#blocked = !endpoint.link.write(endpoint.vm.slot, endpoint.vm.generation, bytes);
    }
    if (this.#bytes < INPUT_HIGH / 2) this.#drained();
  }

  async #passBreak({ link, vm }: Endpoint, pending: PendingBreak): Promise<void> {
    this.#breaking = true;
    try {
      await link.sendBreak(vm.slot, vm.generation, pending.signal);
      pending.resolve();
    } catch (error) {
      pending.reject(error);
    }
    this.#breaking = false;
    this.#flush();
  }

  #drained(): void {
    if (!this.#drainOwed) return;
    this.#drainOwed = false;
    this.#options.onDrain();
  }

  #refusal(why: string): VsbError {
    const message = `VM '${this.#options.vmName()}' ${why}`;
    return new VsbError('E_CONSOLE_REFUSED', message, { layer: 'console' });
  }

  #noBreak(): VsbError {
    const message = `VM '${this.#options.vmName()}' is not there, so it cannot get a BREAK`;
    return new VsbError('E_VM_GONE', message, { layer: 'console' });
  }
}
