/**
 * The testbed of one instance, from `up` to `down`: which state it is in, and what ends with what. How it comes
 * up, what belongs to it and how it is described have files of their own.
 */
import { rm } from 'node:fs/promises';

import { VsbError, messageOf } from '../base/errors.js';
import type { ProcessIdentity } from '../base/process-identity.js';
import type { InstanceState, InstanceStatus } from '../contract/control.js';
import type { DaemonEvent } from '../contract/events.js';
import { connectAdopted } from '../machine/adopt.js';
import { describeExit, endQemu } from '../machine/qemu-process.js';
import { removeResume, writeResume, type Adoptable } from '../machine/resume.js';
import type { Running, UpRequest } from '../machine/running.js';
import type { InstancePaths } from '../state/paths.js';
import { writeProcesses } from '../state/record.js';
import { bringUp } from './bring-up.js';
import { describeTestbed } from './describe.js';
import {
  asRunning,
  closeLogs,
  launch,
  release,
  removeQemuSockets,
  takeOver,
  type Launched,
} from './launch.js';
import { Monitor } from './monitor.js';
import { onTrouble } from './panic.js';
import { probeLayers } from './probe.js';

/** Where it is in its life. How well it runs is found out by asking its layers. */
export type TestbedState = Exclude<InstanceState, 'absent' | 'degraded'>;

export class Testbed {
  readonly #paths: InstancePaths;
  readonly #self: ProcessIdentity;
  readonly #log: (text: string) => void;
  #state: TestbedState = 'stopped';
  #reason: string | undefined;
  #phase: string | undefined;
  #since: string | undefined;
  #running: Running | undefined;
  /** While it is up. */
  #monitor: Monitor | undefined;
  /** What is still known of a testbed that broke. */
  #last: Pick<Running, 'request' | 'plan'> | undefined;
  #booting: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  #ending: Promise<void> | undefined;

  constructor(paths: InstancePaths, self: ProcessIdentity, log: (text: string) => void) {
    this.#paths = paths;
    this.#self = self;
    this.#log = log;
  }

  get state(): TestbedState {
    return this.#state;
  }

  /**
   * Boots until every user VM shows its login. Whatever stops it on the way, nothing is left behind.
   *
   * @throws VsbError E_BUSY, E_INSTANCE_EXISTS; exit 4 for a failed layer; the signal's reason
   */
  async up(
    request: UpRequest,
    signal: AbortSignal,
    emit: (event: DaemonEvent) => void,
  ): Promise<InstanceStatus> {
    if (this.#state !== 'stopped') throw busyError(this.#paths.name, this.#state);
    this.#state = 'starting';
    const abort = new AbortController();
    const done = this.#boot(request, AbortSignal.any([signal, abort.signal]), emit);
    this.#booting = { abort, done };
    try {
      await done;
    } finally {
      this.#booting = undefined;
    }
    return this.status();
  }

  /** Ends QEMU and everything that belongs to it; a boot under way is aborted, and says `why` to who waits for it. */
  async down(
    why = new VsbError('E_TERMINATED', 'the testbed was taken down by another command'),
  ): Promise<void> {
    if (this.#booting !== undefined) {
      const { abort, done } = this.#booting;
      abort.abort(why);
      await done.catch(() => undefined);
    }
    this.#ending ??= this.#tearDown().finally(() => (this.#ending = undefined));
    await this.#ending;
  }

  async #boot(
    request: UpRequest,
    signal: AbortSignal,
    emit: (event: DaemonEvent) => void,
  ): Promise<void> {
    try {
      const running = await bringUp({
        ...{ paths: this.#paths, request, signal, log: this.#log, emit },
        start: async (resumed) =>
          await this.#hold(await launch(this.#paths, request, signal, resumed)),
        startOver: async () => {
          await this.#tearDown();
          this.#state = 'starting';
        },
        onPhase: (name) => (this.#phase = name),
      });
      await this.#isUp(running, new Date().toISOString());
    } catch (error) {
      this.#log(`boot failed: ${messageOf(error)}`);
      await this.#tearDown();
      throw error;
    }
  }

  /**
   * Takes a QEMU over whose daemon is gone. Where that fails, QEMU is left as it is.
   *
   * @throws VsbError what does not answer
   */
  async adopt(adoptable: Adoptable): Promise<void> {
    const { hooks, wanted, since } = adoptable.resume;
    this.#state = 'starting';
    const launched = await takeOver(this.#paths, adoptable);
    const running = await this.#hold(launched);
    for (const [vm, on] of Object.entries(hooks)) running.hooks.set(vm, on);
    running.wanted.clear();
    for (const vm of wanted) running.wanted.add(vm);
    try {
      await connectAdopted(running, adoptable.resume);
      await this.#isUp(running, since);
      this.#log(`took over QEMU ${adoptable.qemu.pid}`);
    } catch (error) {
      this.#running = undefined;
      launched.qemu.release();
      running.failed.abort(new VsbError('E_TERMINATED', 'QEMU could not be taken over'));
      await release(running);
      running.qmp?.close();
      closeLogs(running);
      this.#state = 'stopped';
      throw error;
    }
  }

  /** What is to outlive this daemon has changed. */
  async keepResume(): Promise<void> {
    const running = this.#running;
    if (running !== undefined && this.#since !== undefined) await writeResume(running, this.#since);
  }

  async #isUp(running: Running, since: string): Promise<void> {
    this.#state = 'running';
    this.#phase = undefined;
    this.#since = since;
    this.#monitor = new Monitor({
      probe: async () => await probeLayers(running),
      log: this.#log,
    });
    await this.keepResume().catch((error: unknown) => this.#log(messageOf(error)));
  }

  async #tearDown(): Promise<void> {
    if (this.#state !== 'stopped') this.#state = 'stopping';
    this.#stopMonitor();
    const running = this.#running;
    if (running !== undefined) {
      this.#running = undefined;
      running.failed.abort(new VsbError('E_TERMINATED', 'the testbed is being taken down'));
      await release(running);
      await endQemu(running.qemu, running.qmp);
      closeLogs(running);
    }
    try {
      await removeResume(this.#paths);
      await removeQemuSockets(this.#paths);
      // Holds dom0's host key and the password hashes.
      await rm(this.#paths.bootDir, { recursive: true, force: true });
      await writeProcesses(this.#paths, { daemon: this.#self });
    } catch (error) {
      // QEMU has ended; a full disk must not keep the rest from ending too.
      this.#log(`taking down: ${messageOf(error)}`);
    }
    this.#last = undefined;
    this.#reason = undefined;
    this.#phase = undefined;
    this.#since = undefined;
    this.#state = 'stopped';
  }

  #stopMonitor(): void {
    this.#monitor?.stop();
    this.#monitor = undefined;
  }

  /** The status, after its layers have been asked. */
  async freshStatus(): Promise<InstanceStatus> {
    await this.#monitor?.refresh();
    return this.status();
  }

  /** What is known without asking anybody. */
  status(): InstanceStatus {
    const running = this.#running;
    return describeTestbed({
      ...{ name: this.#paths.name, daemonPid: this.#self.pid, since: this.#since },
      ...{ state: this.#state, reason: this.#reason, monitor: this.#monitor },
      phase: this.#state === 'starting' ? this.#phase : undefined,
      ...{ running, about: running ?? this.#last },
    });
  }

  /**
   * For what can only be asked of a testbed that is up.
   *
   * @throws VsbError E_INSTANCE_NOT_RUNNING
   */
  mustRun(): Running {
    if (this.#state === 'running' && this.#running !== undefined) return this.#running;
    throw new VsbError(
      'E_INSTANCE_NOT_RUNNING',
      `instance '${this.#paths.name}' is ${this.#state}${this.#reason === undefined ? '' : `: ${this.#reason}`}`,
      { hint: '`vsbypass up` starts it.' },
    );
  }

  /** QEMU runs: from here on `down` has something to end. */
  async #hold(launched: Launched): Promise<Running> {
    const running = asRunning(launched, this.#paths, this.#log);
    const { request, plan, qemu, l1, l2 } = running;
    this.#running = running;
    this.#last = { request, plan };
    await writeProcesses(this.#paths, { daemon: this.#self, qemu: qemu.identity });
    void qemu.exited.then(async () => await this.#onQemuExit(running));
    for (const [layer, log] of [['L1', l1] as const, ['L2', l2] as const]) {
      onTrouble(log, ({ crashed, message }) => {
        if (this.#running !== running) return;
        if (this.#state === 'starting') {
          const says = `${layer} says: ${message}`;
          running.failed.abort(new VsbError('E_LAYER_FAILED', says, { layer }));
        } else if (this.#state === 'running' && crashed) {
          this.#break(`${layer}: ${message}`);
        }
      });
    }
    return running;
  }

  /** The first reason is the one that counts: others follow from it. */
  #break(reason: string): void {
    this.#log(`broken: ${reason}`);
    this.#stopMonitor();
    if (this.#state === 'running') this.#reason = reason;
    else this.#reason = `${this.#reason ?? ''}; ${reason}`;
    this.#state = 'broken';
  }

  /** QEMU ended although nobody asked it to. */
  async #onQemuExit(running: Running): Promise<void> {
    if (this.#running !== running || running.qemu.exit === undefined) return;
    const reason = `QEMU ${describeExit(running.qemu.exit)}`;
    running.failed.abort(
      new VsbError('E_QEMU_EXITED', reason, {
        layer: 'L0',
        hint: '`vsbypass logs qemu` and `vsbypass logs l1` show the end.',
      }),
    );
    // While booting, the failed phase takes everything down.
    if (this.#state !== 'running' && this.#state !== 'broken') return;
    this.#break(reason);
    this.#running = undefined;
    await release(running);
    closeLogs(running);
    await removeResume(this.#paths).catch(() => undefined);
    await writeProcesses(this.#paths, { daemon: this.#self }).catch((error: unknown) =>
      this.#log(messageOf(error)),
    );
  }
}

function busyError(name: string, state: TestbedState): VsbError {
  return state === 'running' || state === 'broken'
    ? new VsbError('E_INSTANCE_EXISTS', `instance '${name}' is up already`, {
        hint: '`vsbypass down` ends it; `--name` makes another one beside it.',
      })
    : new VsbError('E_BUSY', `instance '${name}' is ${state}, started by another command`, {
        hint: 'Wait for it, or `vsbypass down`.',
      });
}
