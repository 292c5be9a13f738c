/**
 * Bochs as the machine of L0. It has no protocol to be told anything by: it runs once somebody reads L1's console, its sockets
 * show that it is there, and signals of the host stop and end it.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { VsbError } from '../../base/errors.js';
import { signalProcess } from '../../base/process-identity.js';
import { listeningSockets } from '../../host/process-sockets.js';
import { bochsSockets, forwardedAddresses } from '../../layers/l0-bochs.js';
import { sshPort } from '../../layers/network.js';
import type { Evidence, L0Machine, PortFinder } from './machine.js';
import type { MachineProcess } from './process.js';

/** It ends at SIGTERM, within a round of its main loop. */
const quitGraceMs = 3000;
const lookMs = 20;
const noStates = 'Bochs keeps no state of a machine that runs';

export class BochsMachine implements L0Machine {
  readonly make = 'Bochs';
  readonly opening = { phase: 'bochs', awaited: 'Bochs to listen on its serial ports' };
  readonly process: MachineProcess;
  #open = false;

  constructor(process: MachineProcess) {
    this.process = process;
  }

  async open(signal: AbortSignal): Promise<void> {
    const { pid } = this.process.identity;
    for (;;) {
      signal.throwIfAborted();
      const { unix } = await listeningSockets(pid);
      if (bochsSockets.every((path) => unix.includes(path))) break;
      await this.#notYet(signal);
    }
    this.#open = true;
  }

  get isOpen(): boolean {
    return this.#open && this.process.exit === undefined;
  }

  /** It has begun when L1's console was connected. */
  async run(): Promise<void> {
    // Nothing is left to do.
  }

  /** Its network is made after its serial ports, which wait for their clients. */
  async forwards(signal: AbortSignal): Promise<PortFinder> {
    let ports: readonly number[] = [];
    for (;;) {
      ({ tcp: ports } = await listeningSockets(this.process.identity.pid));
      if (ports.length >= forwardedAddresses.length) break;
      await this.#notYet(signal);
    }
    return (address, inside) => {
      // In the order in which they are configured: the kernel chose their numbers.
      const port = inside === sshPort ? ports[forwardedAddresses.indexOf(address)] : undefined;
      if (port !== undefined) return port;
      throw new VsbError('E_QMP', `Bochs forwards no port to ${address}:${inside}`, {
        layer: 'L0',
      });
    };
  }

  diskRequests(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async health(): Promise<{ ok: boolean; detail: string }> {
    const { unix } = await listeningSockets(this.process.identity.pid);
    return bochsSockets.every((path) => unix.includes(path))
      ? { ok: true, detail: 'Bochs listens on its serial ports' }
      : { ok: false, detail: 'Bochs does not listen on its serial ports' };
  }

  evidence(): readonly Evidence[] {
    return [];
  }

  /** An emulated processor can stand still after any of its instructions. */
  readonly stopsBetweenGuestsOnly = false;

  async stop(): Promise<void> {
    await signalProcess(this.process.identity, 'SIGSTOP');
  }

  async continue(): Promise<void> {
    await signalProcess(this.process.identity, 'SIGCONT');
  }

  save(): Promise<never> {
    return Promise.reject(new VsbError('E_SKIPPED', noStates));
  }

  restore(): Promise<never> {
    return Promise.reject(new VsbError('E_SKIPPED', noStates));
  }

  release(): void {
    this.process.release();
  }

  async end(): Promise<void> {
    await this.continue();
    await this.process.stop(quitGraceMs);
  }

  async #notYet(signal: AbortSignal): Promise<void> {
    if (this.process.exit !== undefined) {
      throw new VsbError('E_QEMU_EXITED', 'Bochs ended before it listened', { layer: 'L0' });
    }
    await delay(lookMs, undefined, { signal });
  }
}
