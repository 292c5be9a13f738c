/** The machine of L0 as a process that another daemon has started: only looked at, and ended by a signal. */
import { endProcess, isAlive, type ProcessIdentity } from '../../base/process-identity.js';
import type { MachineExit, MachineProcess } from './process.js';

/** How often to look whether it lives; that it does not is seen on its sockets first. */
const lookMs = 500;

export class AdoptedProcess implements MachineProcess {
  readonly identity: ProcessIdentity;
  readonly exited: Promise<MachineExit>;
  #exit: MachineExit | undefined;
  #settle: (exit: MachineExit) => void = () => {};
  readonly #timer: NodeJS.Timeout;

  constructor(identity: ProcessIdentity) {
    this.identity = identity;
    this.exited = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#timer = setInterval(() => void this.#look(), lookMs).unref();
  }

  get exit(): MachineExit | undefined {
    return this.#exit;
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#exit === undefined && (await endProcess(this.identity, graceMs))) this.#gone();
  }

  /** Looks no more; the process is left alone. */
  release(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (!(await isAlive(this.identity))) this.#gone();
  }

  #gone(): void {
    if (this.#exit !== undefined) return;
    clearInterval(this.#timer);
    // Only its parent could know how it ended.
    this.#exit = { code: null, signal: null };
    this.#settle(this.#exit);
  }
}
