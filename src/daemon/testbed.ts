/**
 * The testbed of one instance, from `up` to `down`: which state it is in, and what ends with what. How it comes
 * up, what belongs to it and how it is described have files of their own.
 */
import { rm } from 'node:fs/promises';

import { VsbError, messageOf } from '../base/errors.js';
import type { ProcessIdentity } from '../base/process-identity.js';
import type { InstanceStatus } from '../contract/status.js';
import type { DaemonEvent } from '../contract/events.js';
import { connectAdopted } from '../machine/adopt.js';
import { describeExit } from '../machine/l0/process.js';
import { removeResume, writeResume, type Adoptable } from '../machine/resume.js';
import { takeUp, type Running, type UpRequest } from '../machine/running.js';
import type { InstancePaths } from '../state/paths.js';
import { writeProcesses } from '../state/record.js';
import { bringUp } from './bring-up.js';
import { describeTestbed } from './describe.js';
import {
  aboutOf,
  busyError,
  runningOf,
  type Broken,
  type Life,
  type Starting,
  type TestbedState,
  type Up,
} from './life.js';
import {
  asRunning,
  closeLogs,
  launch,
  release,
  removeMachineSockets,
  takeOver,
  type Launched,
} from './launch.js';
import { Monitor } from './monitor.js';
import { onTrouble } from './panic.js';
import { probeLayers } from './probe.js';

export class Testbed {
  readonly #paths: InstancePaths;
  readonly #self: ProcessIdentity;
  readonly #log: (text: string) => void;
  #life: Life = { state: 'stopped' };
  #booting: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  #ending: Promise<void> | undefined;

  constructor(paths: InstancePaths, self: ProcessIdentity, log: (text: string) => void) {
    this.#paths = paths;
    this.#self = self;
    this.#log = log;
  }

  get state(): TestbedState {
    return this.#life.state;
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
    const { state } = this.#life;
    if (state !== 'stopped') throw busyError(this.#paths.name, state);
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

  /** Ends the machine and everything that belongs to it. A boot under way is aborted: whoever waits for it gets `why`. */
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
    let life = this.#starting();
    try {
      const running = await bringUp({
        ...{ paths: this.#paths, request, signal, log: this.#log, emit },
        start: async (resumed) =>
          await this.#hold(life, await launch(this.#paths, request, signal, this.#log, resumed)),
        startOver: async () => {
          await this.#tearDown();
          life = this.#starting();
        },
        onPhase: (phase) => (life.phase = phase),
      });
      await this.#isUp(running, new Date().toISOString());
    } catch (error) {
      this.#log(`boot failed: ${messageOf(error)}`);
      await this.#tearDown();
      throw error;
    }
  }

  /**
   * Takes a machine over whose daemon is gone. Where that fails, it is left as it is.
   *
   * @returns what was done, one sentence for people
   * @throws VsbError what does not answer
   */
  async adopt(adoptable: Adoptable): Promise<string> {
    const { since } = adoptable.resume;
    const life = this.#starting();
    const launched = await takeOver(this.#paths, adoptable, this.#log);
    const { machine } = launched;
    const running = await this.#hold(life, launched);
    takeUp(running, adoptable.resume);
    try {
      const done = await connectAdopted(running, adoptable);
      await this.#isUp(running, since);
      this.#log(done);
      return done;
    } catch (error) {
      this.#life = { state: 'stopping', about: aboutOf(life) };
      running.failed.abort(new VsbError('E_TERMINATED', `${machine.make} could not be taken over`));
      await release(running);
      machine.release();
      closeLogs(running);
      this.#life = { state: 'stopped' };
      throw error;
    }
  }

  #starting(): Starting {
    const life: Starting = { state: 'starting' };
    this.#life = life;
    return life;
  }

  /** What is to outlive this daemon has changed. */
  async keepResume(): Promise<void> {
    if (this.#life.state === 'running') await writeResume(this.#life.running, this.#life.since);
  }

  async #isUp(running: Running, since: string): Promise<void> {
    const monitor = new Monitor({
      probe: async () => await probeLayers(running),
      log: this.#log,
    });
    this.#life = { state: 'running', running, since, monitor };
    await this.keepResume().catch((error: unknown) => this.#log(messageOf(error)));
  }

  async #tearDown(): Promise<void> {
    const before = this.#life;
    const running = runningOf(before);
    if (before.state === 'running') before.monitor.stop();
    if (before.state !== 'stopped') this.#life = { state: 'stopping', about: aboutOf(before) };
    if (running !== undefined) {
      running.failed.abort(new VsbError('E_TERMINATED', 'the testbed is being taken down'));
      await release(running);
      await running.machine.end();
      closeLogs(running);
    }
    try {
      await removeResume(this.#paths);
      await removeMachineSockets(this.#paths);
      // Holds dom0's host key and the password hashes.
      await rm(this.#paths.bootDir, { recursive: true, force: true });
      await writeProcesses(this.#paths, { daemon: this.#self });
    } catch (error) {
      // The machine has ended; a full disk must not keep the rest from ending too.
      this.#log(`taking down: ${messageOf(error)}`);
    }
    this.#life = { state: 'stopped' };
  }

  /** The status, after its layers have been asked. */
  async freshStatus(): Promise<InstanceStatus> {
    if (this.#life.state === 'running') await this.#life.monitor.refresh();
    return this.status();
  }

  /** What is known without asking anybody. */
  status(): InstanceStatus {
    const life = this.#life;
    return describeTestbed({
      ...{ name: this.#paths.name, daemonPid: this.#self.pid, state: life.state },
      ...{ running: runningOf(life), about: aboutOf(life) },
      ...(life.state === 'starting' ? { phase: life.phase } : {}),
      ...(life.state === 'running' ? { since: life.since, monitor: life.monitor } : {}),
      ...(life.state === 'broken' ? { since: life.since, reason: life.reason } : {}),
    });
  }

  /**
   * For what can only be asked of a testbed that is up.
   *
   * @throws VsbError E_INSTANCE_NOT_RUNNING
   */
  mustRun(): Running {
    const life = this.#life;
    if (life.state === 'running') return life.running;
    const reason = life.state === 'broken' ? `: ${life.reason}` : '';
    throw new VsbError(
      'E_INSTANCE_NOT_RUNNING',
      `instance '${this.#paths.name}' is ${life.state}${reason}`,
      { hint: '`vsbypass up` starts it.' },
    );
  }

  /** The machine runs: from here on `down` has something to end. */
  async #hold(life: Starting, launched: Launched): Promise<Running> {
    const running = asRunning(launched, this.#paths, this.#log);
    const { machine, l1, l2 } = running;
    const { identity, exited } = machine.process;
    life.running = running;
    await writeProcesses(this.#paths, { daemon: this.#self, qemu: identity });
    void exited.then(async () => await this.#onMachineExit(running));
    for (const [layer, log] of [['L1', l1] as const, ['L2', l2] as const]) {
      onTrouble(log, ({ crashed, message }) => {
        const now = this.#life;
        if (runningOf(now) !== running) return;
        if (now.state === 'starting') {
          const says = `${layer} says: ${message}`;
          running.failed.abort(new VsbError('E_LAYER_FAILED', says, { layer }));
        } else if (now.state === 'running' && crashed) {
          this.#onCrash(now, layer, message);
        }
      });
    }
    return running;
  }

  /** A system of the user's own may start again, or only have shown an old crash: how it is, it is asked. */
  #onCrash(life: Up, layer: 'L1' | 'L2', message: string): void {
    const { running } = life;
    if (layer === 'L2' && running.request.config.l2.disk !== undefined) {
      this.#log(`L2: ${message}`);
      running.ownCrash = { message, at: performance.now() };
    } else {
      this.#break(life, `${layer}: ${message}`, running);
    }
  }

  /** @param running its machine, if that still lives */
  #break(life: Up | Broken, reason: string, running?: Running): void {
    this.#log(`broken: ${reason}`);
    if (life.state === 'running') life.monitor.stop();
    this.#life = {
      ...{ state: 'broken', since: life.since, running },
      // The first reason is the one that counts: others follow from it.
      reason: life.state === 'running' ? reason : `${life.reason}; ${reason}`,
      about: aboutOf(life),
    };
  }

  /** The machine ended although nobody asked it to. */
  async #onMachineExit(running: Running): Promise<void> {
    const life = this.#life;
    const { make, process } = running.machine;
    const { exit } = process;
    if (runningOf(life) !== running || exit === undefined) return;
    const reason = `${make} ${describeExit(exit)}`;
    running.failed.abort(
      new VsbError('E_QEMU_EXITED', reason, {
        layer: 'L0',
        hint: '`vsbypass logs qemu` and `vsbypass logs l1` show the end.',
      }),
    );
    // While booting, the failed phase takes everything down.
    if (life.state !== 'running' && life.state !== 'broken') return;
    this.#break(life, reason);
    await release(running);
    closeLogs(running);
    await removeResume(this.#paths).catch(() => undefined);
    await writeProcesses(this.#paths, { daemon: this.#self }).catch((error: unknown) =>
      this.#log(messageOf(error)),
    );
  }
}
