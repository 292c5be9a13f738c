/** QEMU as the machine of L0, with KVM or TCG: told what to do over QMP. */
import { setTimeout as delay } from 'node:timers/promises';

import { messageOf, VsbError } from '../../base/errors.js';
import type { Accel } from '../../host/accel.js';
import { QmpClient } from '../../host/qmp.js';
import { restoreState, saveState, type Exchange, type PlaceInFile } from '../saved/transfer.js';
import type { Uuids } from '../saved/uuids.js';
import { forwardedPort } from './forwarded-ports.js';
import type { Evidence, L0Machine, PortFinder } from './machine.js';
import type { MachineProcess } from './process.js';

/** How long QEMU may take to end when asked by QMP or by a signal. */
const quitGraceMs = 3000;
const answerLimitMs = 5000;
/** Apart from each other, so that a loop shows more than one of its instructions. */
const samples = 8;
const sampleEveryMs = 250;
const monitorQuestions = ['info status', 'info cpus', 'info pic', 'info irq', 'info lapic'];

export interface QemuOptions {
  readonly process: MachineProcess;
  readonly accel: Accel;
  readonly qmpSocket: string;
  /** Over which a saved state comes from it and goes to it. */
  readonly stateSocket: string;
  log(text: string): void;
}

export class QemuMachine implements L0Machine {
  readonly make = 'QEMU';
  readonly opening = { phase: 'qemu', awaited: "QEMU's QMP greeting" };
  readonly process: MachineProcess;
  readonly #options: QemuOptions;
  #qmp: QmpClient | undefined;

  constructor(options: QemuOptions) {
    this.#options = options;
    this.process = options.process;
  }

  async open(signal: AbortSignal, limitMs: number): Promise<void> {
    const qmp = await this.#connect(signal, limitMs);
    this.#qmp = qmp;
    qmp.on('event', (event) =>
      this.#options.log(`QMP ${event.name} ${JSON.stringify(event.data)}`),
    );
  }

  get isOpen(): boolean {
    return this.#qmp?.isClosed === false;
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#execute('cont', {}, { signal });
  }

  async forwards(signal: AbortSignal): Promise<PortFinder> {
    const command = { 'command-line': 'info usernet' };
    const answer = await this.#execute('human-monitor-command', command, { signal });
    return (address, port) => forwardedPort(String(answer), address, port);
  }

  async diskRequests(): Promise<number | undefined> {
    return (await this.#blockStats()).reduce(
      (sum, { stats }) => sum + stats.rd_operations + stats.wr_operations,
      0,
    );
  }

  async #blockStats(): Promise<readonly BlockStats[]> {
    const answer = await this.#execute('query-blockstats', {}, { timeoutMs: answerLimitMs });
    return answer as readonly BlockStats[];
  }

  async health(limitMs: number): Promise<{ ok: boolean; detail: string }> {
    if (!this.isOpen) return { ok: false, detail: 'QMP is closed' };
    try {
      const answer = await this.#execute('query-status', {}, { timeoutMs: limitMs });
      const { status } = answer as { readonly status: string };
      return { ok: status === 'running', detail: `QMP says ${status}` };
    } catch (error) {
      return { ok: false, detail: messageOf(error) };
    }
  }

  evidence(signal: AbortSignal): readonly Evidence[] {
    return [
      { file: 'registers.txt', content: async () => await this.#sampleRegisters(signal) },
      { file: 'qemu.txt', content: async () => await this.#ask(monitorQuestions) },
      {
        file: 'blockstats.json',
        content: async () => JSON.stringify(await this.#blockStats(), null, 2),
      },
    ];
  }

  /**
   * TCG of QEMU 7.2 cannot be stopped at any moment: helper_vmrun() leaves the vector of an interrupt that it has injected as the
   * pending exception (target/i386/tcg/sysemu/svm_helper.c), and a request to leave the execution loop delivers that once more
   * instead (cpu_handle_interrupt() in accel/tcg/cpu-exec.c). The guest takes an interrupt with its interrupts off, and
   * pause_all_vcpus() waits for a virtual CPU that was told once and has not heard.
   */
  get stopsBetweenGuestsOnly(): boolean {
    return this.#options.accel === 'tcg';
  }

  async stop(signal: AbortSignal): Promise<void> {
    await this.#execute('stop', {}, { signal });
  }

  async continue(): Promise<void> {
    await this.#execute('cont');
  }

  async save(file: string, signal: AbortSignal, uuids: Uuids = {}): Promise<PlaceInFile[]> {
    return await saveState({ ...this.#transfer(), file, signal, uuids });
  }

  async restore(file: string, signal: AbortSignal, exchange: Exchange): Promise<void> {
    await restoreState({ ...this.#transfer(), file, signal, exchange });
  }

  release(): void {
    this.#qmp?.close();
    this.process.release();
  }

  async end(): Promise<void> {
    const qmp = this.#qmp;
    if (qmp?.isClosed === false) {
      await qmp.execute('quit', {}, { timeoutMs: quitGraceMs }).catch(() => undefined);
      qmp.close();
      await Promise.race([this.process.exited, delay(quitGraceMs, undefined, { ref: false })]);
    }
    await this.process.stop(quitGraceMs);
  }

  /** One that was just started makes the socket some milliseconds later. */
  async #connect(signal: AbortSignal, limitMs: number): Promise<QmpClient> {
    for (;;) {
      try {
        return await QmpClient.connect(this.#options.qmpSocket, { signal, timeoutMs: limitMs });
      } catch (error) {
        signal.throwIfAborted();
        if (this.process.exit !== undefined) throw error;
        await delay(20, undefined, { signal });
      }
    }
  }

  #transfer(): { qmp: QmpClient; socketPath: string } {
    if (this.#qmp === undefined) throw notOpen();
    return { qmp: this.#qmp, socketPath: this.#options.stateSocket };
  }

  async #execute(...[command, parameters, options]: Parameters<QmpClient['execute']>) {
    if (this.#qmp === undefined) throw notOpen();
    return await this.#qmp.execute(command, parameters, options);
  }

  async #sampleRegisters(signal: AbortSignal): Promise<string> {
    const parts: string[] = [];
    for (let sample = 1; sample <= samples; sample++) {
      if (sample > 1) await delay(sampleEveryMs, undefined, { signal });
      parts.push(`# sample ${sample}, ${new Date().toISOString()}`);
      parts.push(await this.#monitor('info registers -a'));
    }
    return parts.join('\n');
  }

  async #ask(questions: readonly string[]): Promise<string> {
    const parts: string[] = [];
    for (const question of questions) parts.push(`# ${question}`, await this.#monitor(question));
    return parts.join('\n');
  }

  async #monitor(commandLine: string): Promise<string> {
    const command = { 'command-line': commandLine };
    const options = { timeoutMs: answerLimitMs };
    const answer = await this.#execute('human-monitor-command', command, options);
    return String(answer).replaceAll('\r', '');
  }
}

interface BlockStats {
  readonly stats: { readonly rd_operations: number; readonly wr_operations: number };
}

function notOpen(): VsbError {
  return new VsbError('E_QMP_CLOSED', 'QMP is not connected', { layer: 'L0' });
}
