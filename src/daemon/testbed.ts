/**
 * The running testbed of one instance: QEMU, its QMP connection, the link, the hub of consoles, the
 * SSH gateway. Boots it in phases, notices when QEMU dies, takes everything down in order.
 */
import { rm } from 'node:fs/promises';

import { ExitCode, VsbError, messageOf } from '../base/errors.js';
import type { ProcessIdentity } from '../base/process-identity.js';
import { ConsoleHub } from '../console/hub/hub.js';
import type { InstanceState, InstanceStatus } from '../contract/control.js';
import type { DaemonEvent, WarmEvent } from '../contract/events.js';
import { connectAdopted } from '../machine/adopt.js';
import { AdoptedQemu } from '../machine/adopted-qemu.js';
import { assembleBootFiles } from '../machine/assemble.js';
import { bootPhases } from '../machine/boot-phases.js';
import { collectEvidence } from '../machine/evidence.js';
import { freshLog, keptLog, type LayerLog } from '../machine/layer-log.js';
import { runPhases, type Phase } from '../machine/phases.js';
import { planTestbed, type TestbedPlan } from '../machine/plan.js';
import { QemuProcess, describeExit, endQemu, type QemuHandle } from '../machine/qemu-process.js';
import { resumePhases } from '../machine/resume-phases.js';
import { removeResume, writeResume, type Adoptable } from '../machine/resume.js';
import type { Running, UpRequest } from '../machine/running.js';
import { chooseState, secretsOf } from '../machine/saved/choose.js';
import type { Access } from '../machine/saved/folder.js';
import { shareState } from '../machine/saved/keep.js';
import { incomingArguments } from '../machine/saved/transfer.js';
import { SignsOfLife } from '../machine/signs-of-life.js';
import { ensurePrivateDirectory, socketPathsOf, type InstancePaths } from '../state/paths.js';
import { writeProcesses, writeRecord } from '../state/record.js';
import { ensureSecrets } from '../state/secrets.js';
import { describeRunning, describeVms } from './describe.js';
import { Monitor } from './monitor.js';
import { PanicWatch } from './panic.js';
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
      const running =
        (await this.#resume(request, signal, emit)) ??
        (await this.#bootCold(request, signal, emit));
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
  async adopt({ qemu, resume }: Adoptable): Promise<void> {
    const paths = this.#paths;
    const { request, hooks, wanted, since } = resume;
    this.#state = 'starting';
    const { config, accel } = request;
    const plan = planTestbed(paths, config, accel);
    const secrets = await ensureSecrets(
      paths,
      config.vms.map((vm) => vm.name),
    );
    const handle = new AdoptedQemu(qemu);
    const running = await this.#hold({
      ...{ request, plan, secrets, qemu: handle },
      l0: keptLog(paths.qemuLog),
      l1: keptLog(paths.l1Log),
      l2: keptLog(paths.l2Log),
    });
    for (const [vm, on] of Object.entries(hooks)) running.hooks.set(vm, on);
    running.wanted.clear();
    for (const vm of wanted) running.wanted.add(vm);
    try {
      await connectAdopted(running, resume);
      await this.#isUp(running, since);
      this.#log(`took over QEMU ${qemu.pid}`);
    } catch (error) {
      this.#running = undefined;
      handle.release();
      running.failed.abort(new VsbError('E_TERMINATED', 'QEMU could not be taken over'));
      await this.#release(running);
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

  async #bootCold(
    request: UpRequest,
    signal: AbortSignal,
    emit: (event: DaemonEvent) => void,
  ): Promise<Running> {
    const running = await this.#start(request, signal);
    await this.#runPhases(running, bootPhases(running), signal, emit);
    if (request.warm.keep) {
      const told = await keptState(running, signal);
      if (told !== undefined) {
        this.#log(`saved state: ${told.why}`);
        emit(told);
      }
    }
    return running;
  }

  /** Undefined where there is no saved state, or it does not work: then a cold boot follows. */
  async #resume(
    request: UpRequest,
    signal: AbortSignal,
    emit: (event: DaemonEvent) => void,
  ): Promise<Running | undefined> {
    const choice = await chooseState(this.#paths, request);
    const tell = (reason: 'dropped' | 'not-used', why: string): void => {
      this.#log(`saved state ${reason}: ${why}`);
      emit({ type: 'warm', reason, why });
    };
    const { chosen } = choice;
    if (chosen === undefined) {
      if (choice.why !== undefined) tell(choice.dropped ? 'dropped' : 'not-used', choice.why);
      return undefined;
    }
    try {
      const running = await this.#start(request, signal, chosen.access);
      await this.#runPhases(running, resumePhases(running, chosen), signal, emit);
      return running;
    } catch (error) {
      signal.throwIfAborted();
      // A port that is taken, or a full disk, is not the state's fault.
      const ofHost = error instanceof VsbError && error.exitCode === ExitCode.host;
      if (request.warm.must || ofHost) throw error;
      await this.#tearDown();
      await chosen.drop();
      tell('dropped', messageOf(error));
      this.#state = 'starting';
      return undefined;
    }
  }

  async #runPhases(
    running: Running,
    phases: readonly Phase[],
    signal: AbortSignal,
    emit: (event: DaemonEvent) => void,
  ): Promise<void> {
    const life = new SignsOfLife();
    await runPhases(phases, {
      signal,
      failed: running.failed.signal,
      now: () => performance.now(),
      signs: async () => await life.look(running),
      evidence: async () => {
        if (running.qemu.exit !== undefined || running.qmp === undefined) return {};
        this.#log('a layer has failed: keeping where it stands');
        try {
          return { evidence: await collectEvidence(running, running.request.keepFailed, signal) };
        } catch (error) {
          signal.throwIfAborted();
          // Why the layer failed is what counts, also on a full disk.
          this.#log(`where it stands was not kept: ${messageOf(error)}`);
          return {};
        }
      },
      emit: (event) => {
        this.#phase = event.phase;
        this.#log(`phase ${event.phase} ${event.reason}`);
        emit(event);
      },
    });
  }

  async #tearDown(): Promise<void> {
    if (this.#state !== 'stopped') this.#state = 'stopping';
    this.#stopMonitor();
    const running = this.#running;
    if (running !== undefined) {
      this.#running = undefined;
      running.failed.abort(new VsbError('E_TERMINATED', 'the testbed is being taken down'));
      await this.#release(running);
      await endQemu(running.qemu, running.qmp);
      closeLogs(running);
    }
    try {
      await removeResume(this.#paths);
      for (const socket of qemuSockets(this.#paths)) await rm(socket, { force: true });
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
    const about = running ?? this.#last;
    const monitor = this.#monitor;
    const { state, reason } =
      this.#state === 'running' && monitor !== undefined
        ? monitor.verdict
        : { state: this.#state, reason: this.#reason };
    const jump = monitor?.clockJump;
    return {
      schemaVersion: 1,
      name: this.#paths.name,
      state,
      ...(reason === undefined ? {} : { reason }),
      ...(monitor === undefined || monitor.layers.length === 0
        ? {}
        : { layers: [...monitor.layers] }),
      ...(jump === undefined ? {} : { clockJump: jump }),
      ...(this.#state === 'starting' && this.#phase !== undefined ? { phase: this.#phase } : {}),
      ...(this.#since === undefined ? {} : { since: this.#since }),
      ...(about === undefined ? {} : { accel: about.request.accel }),
      processes: {
        daemon: this.#self.pid,
        ...(running === undefined ? {} : { qemu: running.qemu.identity.pid }),
      },
      ...(running === undefined ? {} : describeRunning(running)),
      vms: about === undefined ? [] : describeVms(about.plan, running?.hub),
    };
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

  /** Lays out the files and starts QEMU; from here on `down` has something to end. */
  async #start(request: UpRequest, signal: AbortSignal, resumed?: Access): Promise<Running> {
    const paths = this.#paths;
    const { config, accel, images } = request;
    const plan = planTestbed(paths, config, accel);
    const own = await ensureSecrets(
      paths,
      config.vms.map((vm) => vm.name),
    );
    const secrets = resumed === undefined ? own : secretsOf(resumed, own);
    await writeRecord(paths, {
      schemaVersion: 1,
      name: paths.name,
      createdAt: new Date().toISOString(),
      accel: { accel: accel.accel, why: accel.why },
      config,
    });
    await ensurePrivateDirectory(paths.bootDir);
    await assembleBootFiles({ paths, config, plan, secrets, images, signal });
    for (const socket of qemuSockets(paths)) await rm(socket, { force: true });
    signal.throwIfAborted();
    const l0 = freshLog(paths.qemuLog);
    const l1 = freshLog(paths.l1Log);
    const l2 = freshLog(paths.l2Log);
    let qemu: QemuProcess;
    try {
      qemu = await QemuProcess.start(
        resumed === undefined ? plan.qemu : withIncoming(plan.qemu, paths),
        l0,
      );
    } catch (error) {
      for (const log of [l0, l1, l2]) log.close();
      throw error;
    }
    return await this.#hold({ request, plan, secrets, qemu, l0, l1, l2 });
  }

  /** QEMU runs: what belongs to it from now on. */
  async #hold(parts: HeldParts): Promise<Running> {
    const paths = this.#paths;
    const { request, plan, qemu, l1, l2 } = parts;
    const { config } = request;
    const names = new Map(plan.vms.map((vm) => [vm.uuid, vm.name]));
    const running: Running = {
      ...parts,
      paths,
      hooks: new Map(),
      wanted: new Set(config.vms.filter((vm) => vm.autostart).map((vm) => vm.name)),
      failed: new AbortController(),
      log: this.#log,
      hub: new ConsoleHub({
        historyBytes: config.console.historyBytes,
        nameOf: ({ uuid }) => (uuid === undefined ? undefined : names.get(uuid)),
      }),
    };
    this.#running = running;
    this.#last = { request, plan };
    await writeProcesses(paths, { daemon: this.#self, qemu: qemu.identity });
    void qemu.exited.then(async () => await this.#onQemuExit(running));
    this.#watch(running, 'L1', l1);
    this.#watch(running, 'L2', l2);
    return running;
  }

  /** Notices a layer that says that it cannot come up, or that it has crashed. */
  #watch(running: Running, layer: 'L1' | 'L2', log: LayerLog): void {
    const panics = new PanicWatch();
    log.on('line', (line) => {
      if (this.#running !== running) return;
      const panic = panics.take(line);
      const complaint = /^vsbypass-l[12]: error: (.*)/.exec(line)?.[1];
      if (this.#state === 'starting' && (panic ?? complaint) !== undefined) {
        const message = `${layer} says: ${panic ?? complaint}`;
        running.failed.abort(new VsbError('E_LAYER_FAILED', message, { layer }));
      } else if (this.#state === 'running' && panic !== undefined) {
        this.#break(`${layer}: ${panic}`);
      }
    });
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
    await this.#release(running);
    closeLogs(running);
    await removeResume(this.#paths).catch(() => undefined);
    await writeProcesses(this.#paths, { daemon: this.#self }).catch((error: unknown) =>
      this.#log(messageOf(error)),
    );
  }

  /** Ends the daemon's own ends: gateway (which tells its sessions), consoles, link, QMP. */
  async #release(running: Running): Promise<void> {
    running.hub.close();
    running.interrupts?.close();
    await running.gateway?.close();
    running.link?.close();
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

/** What a testbed has as soon as its QEMU runs. */
type HeldParts = Pick<Running, 'request' | 'plan' | 'secrets' | 'l0' | 'l1' | 'l2'> & {
  readonly qemu: QemuHandle;
};
/** Keeps the state that the next `up` begins with, if there is none. That it cannot be kept is no reason to fail. */
async function keptState(running: Running, signal: AbortSignal): Promise<WarmEvent | undefined> {
  try {
    const kept = await shareState(running, signal);
    if (kept === undefined) return undefined;
    const size = Math.round(kept.bytes / 1_048_576);
    const why = `${size} MiB in ${kept.seconds.toFixed(1)} s; the next \`up\` begins with it`;
    return { type: 'warm', reason: 'kept', why };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof VsbError)) throw error;
    return { type: 'warm', reason: 'not-kept', why: error.message };
  }
}

function withIncoming(qemu: TestbedPlan['qemu'], paths: InstancePaths): TestbedPlan['qemu'] {
  const incoming = incomingArguments(paths.stateSocket);
  return { ...qemu, arguments: [...qemu.arguments, ...incoming] };
}

function closeLogs({ l0, l1, l2 }: Running): void {
  for (const log of [l0, l1, l2]) log.close();
}

function qemuSockets(paths: InstancePaths): string[] {
  return socketPathsOf(paths).filter((path) => path !== paths.controlSocket);
}
