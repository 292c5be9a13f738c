/**
 * The running testbed of one instance: QEMU, its QMP connection, the link, the hub of consoles, the
 * SSH gateway. Boots it in phases, notices when QEMU dies, takes everything down in order.
 */
import { open, rename, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import type { ImageDirectories } from '../build/images.js';
import type { Config, VmConfig } from '../config/schema.js';
import { startGateway, type Gateway } from '../console/gateway.js';
import { ConsoleHub } from '../console/hub.js';
import { fingerprintOfLine } from '../console/keys.js';
import type { Session } from '../console/session.js';
import type { VmConsole } from '../console/vm-console.js';
import { VsbError, messageOf } from '../errors/index.js';
import type { BootEvent } from '../events/boot.js';
import type { AccelDecision } from '../host/accel.js';
import { GLOBAL_SLOT, Link, type VmRecord } from '../link/index.js';
import { QmpClient } from '../qmp/client.js';
import { runRemote, shellQuote, type RunResult, type SshTarget } from '../ssh/client.js';
import { assembleBootFiles } from '../testbed/assemble.js';
import { publicLineOf } from '../testbed/dropbear-key.js';
import { readIfThere } from '../testbed/files.js';
import { l1Address, l2Address } from '../testbed/layers/network.js';
import { l2VmPaths } from '../testbed/layers/l2.js';
import type { InstancePaths } from '../testbed/paths.js';
import { planTestbed, type TestbedPlan } from '../testbed/plan.js';
import { writeProcesses, writeRecord } from '../testbed/record.js';
import { ensureSecrets, type Secrets } from '../testbed/secrets.js';
import type { ProcessIdentity } from '../testbed/process-identity.js';
import { forwardedPort } from './forwarded-ports.js';
import { LogFollower } from './log-follower.js';
import { runPhases, type Phase } from './phases.js';
import type {
  Counters,
  HookResult,
  InstanceStatus,
  OperatorVm,
  Proof,
  VmStatus,
} from './protocol.js';
import { QemuProcess, describeExit } from './qemu-process.js';

/** How long QEMU may take to end when asked by QMP or by a signal. */
const quitGraceMs = 3000;
/** Pause before the link is connected again while QEMU lives. */
const relinkDelayMs = 500;
/** L2's `vm stop` waits half a minute for an orderly shutdown before it kills. */
const stopLimitMs = 90_000;
/** How long L1 may take to report a hook that it has switched. */
const hookLimitMs = 10_000;

/** Limits of the phases on two cores under TCG, with room to spare; the configuration's `patience` multiplies them. */
const limitsMs = {
  qemu: 20_000,
  'l1-xen': 60_000,
  link: 60_000,
  'l1-dom0': 150_000,
  l2: 240_000,
  vm: 120_000,
  login: 240_000,
} as const;

export interface UpRequest {
  readonly config: Config;
  readonly accel: AccelDecision;
  readonly images: ImageDirectories;
}

/** All that exists only while QEMU runs. */
interface Running {
  readonly request: UpRequest;
  readonly plan: TestbedPlan;
  readonly secrets: Secrets;
  readonly qemu: QemuProcess;
  readonly l1: LogFollower;
  readonly l2: LogFollower;
  readonly hub: ConsoleHub;
  /** Whether a VM's COM1 is to be shadowed, where that was asked for; else the configuration says. */
  readonly hooks: Map<string, boolean>;
  /** Aborted with the reason when the testbed cannot go on. */
  readonly failed: AbortController;
  qmp?: QmpClient;
  link?: Link;
  gateway?: Gateway;
  management?: { readonly l1: SshTarget; readonly l2: SshTarget };
}

export type TestbedState = InstanceStatus['state'];

export class Testbed {
  readonly #paths: InstancePaths;
  readonly #self: ProcessIdentity;
  readonly #log: (text: string) => void;
  #state: TestbedState = 'stopped';
  #reason: string | undefined;
  #phase: string | undefined;
  #since: string | undefined;
  #running: Running | undefined;
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
    emit: (event: BootEvent) => void,
  ): Promise<InstanceStatus> {
    if (this.#state !== 'stopped') throw busyError(this.#paths.name, this.#state);
    this.#state = 'booting';
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

  /** Ends QEMU and everything that belongs to it; a boot under way is aborted. */
  async down(): Promise<void> {
    if (this.#booting !== undefined) {
      const { abort, done } = this.#booting;
      abort.abort(new VsbError('E_TERMINATED', 'the testbed was taken down by another command'));
      await done.catch(() => undefined);
    }
    this.#ending ??= this.#tearDown().finally(() => (this.#ending = undefined));
    await this.#ending;
  }

  async #boot(
    request: UpRequest,
    signal: AbortSignal,
    emit: (event: BootEvent) => void,
  ): Promise<void> {
    try {
      const running = await this.#start(request, signal);
      await runPhases(this.#phases(running), {
        signal,
        failed: running.failed.signal,
        now: () => performance.now(),
        emit: (event) => {
          this.#phase = event.phase;
          this.#log(`phase ${event.phase} ${event.reason}`);
          emit(event);
        },
      });
      this.#state = 'running';
      this.#phase = undefined;
      this.#since = new Date().toISOString();
    } catch (error) {
      this.#log(`boot failed: ${messageOf(error)}`);
      await this.#tearDown();
      throw error;
    }
  }

  async #tearDown(): Promise<void> {
    if (this.#state !== 'stopped') this.#state = 'stopping';
    const running = this.#running;
    if (running !== undefined) {
      this.#running = undefined;
      running.failed.abort(new VsbError('E_TERMINATED', 'the testbed is being taken down'));
      await this.#release(running);
      await endQemu(running);
      await Promise.all([running.l1.close(), running.l2.close()]);
    }
    for (const socket of [this.#paths.qmpSocket, this.#paths.linkSocket]) {
      await rm(socket, { force: true });
    }
    // Holds dom0's host key and the password hashes.
    await rm(this.#paths.bootDir, { recursive: true, force: true });
    await writeProcesses(this.#paths, { daemon: this.#self });
    this.#last = undefined;
    this.#reason = undefined;
    this.#phase = undefined;
    this.#since = undefined;
    this.#state = 'stopped';
  }

  status(): InstanceStatus {
    const running = this.#running;
    const about = running ?? this.#last;
    const gateway = running?.gateway;
    const management = running?.management;
    const link = running?.link;
    return {
      schemaVersion: 1,
      name: this.#paths.name,
      state: this.#state,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      ...(this.#state === 'booting' && this.#phase !== undefined ? { phase: this.#phase } : {}),
      ...(this.#since === undefined ? {} : { since: this.#since }),
      ...(about === undefined ? {} : { accel: about.request.accel }),
      processes: {
        daemon: this.#self.pid,
        ...(running === undefined ? {} : { qemu: running.qemu.identity.pid }),
      },
      ...(gateway === undefined || running === undefined
        ? {}
        : {
            gateway: {
              host: loopback,
              port: gateway.port,
              hostKeyLine: running.secrets.consoleHost.publicLine,
              hostKeyFingerprint: fingerprintOfLine(running.secrets.consoleHost.publicLine),
              clientKeyPath: this.#paths.clientKey,
            },
          }),
      ...(management === undefined
        ? {}
        : {
            management: {
              l1: { host: management.l1.host, port: management.l1.port },
              l2: { host: management.l2.host, port: management.l2.port },
              keyPath: this.#paths.managementKey,
            },
          }),
      ...(link === undefined ? {} : { shadowHypervisor: describeLink(link) }),
      vms: about === undefined ? [] : describeVms(about.plan, running?.hub),
    };
  }

  /** @throws VsbError E_VM_START, E_SSH; E_VM_UNKNOWN */
  async startVm(name: string, signal: AbortSignal): Promise<void> {
    const running = this.#mustRun();
    vmConfigOf(running, name);
    // A VM that ended moments ago still counts as running until L1 misses it. The new one is another for L1, unless L2
    // gives it the same pages: then the old one was reset, and what tells is that the console speaks again.
    const known = running.hub.vm(name);
    const before = known?.vm;
    const listener = known?.openSession({
      mode: 'ro',
      label: 'start',
      from: 'now',
      counted: false,
    });
    const isNew = (vm: VmRecord | undefined): boolean =>
      vm?.slot !== before?.slot || vm?.generation !== before?.generation;
    const limitMs = limitsMs.vm * running.request.config.patience;
    const seen = new AbortController();
    const until = AbortSignal.any([signal, seen.signal, AbortSignal.timeout(limitMs)]);
    try {
      await this.#startInL2(running, name, signal);
      await Promise.any([
        consoleRunning(running.hub, name, until, isNew),
        ...(listener === undefined ? [] : [spoken(listener, until)]),
      ]);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof VsbError) throw error;
      throw new VsbError(
        'E_VM_START',
        `${name} runs in L2, but the shadow hypervisor has not seen it within ${limitMs / 1000} s`,
        { layer: 'L1', cause: error },
      );
    } finally {
      seen.abort();
      listener?.close();
    }
  }

  async #startInL2(running: Running, name: string, signal: AbortSignal): Promise<void> {
    const result = await this.#operator(running, `vm start ${shellQuote(name)}`, { signal });
    if (result.code !== 0) {
      throw new VsbError('E_VM_START', `L2 cannot start ${name}: ${result.stderr.trim()}`, {
        layer: 'L2',
        hint: '`vsbypass vm list` shows what runs.',
      });
    }
  }

  /** @throws VsbError E_VM_STOP, E_SSH; E_VM_UNKNOWN */
  async stopVm(name: string, signal: AbortSignal): Promise<void> {
    const running = this.#mustRun();
    vmConfigOf(running, name);
    const result = await this.#operator(running, `vm stop ${shellQuote(name)}`, {
      signal,
      timeoutMs: stopLimitMs,
    });
    if (result.code !== 0) {
      throw new VsbError('E_VM_STOP', `L2 cannot stop ${name}: ${result.stderr.trim()}`, {
        layer: 'L2',
      });
    }
  }

  /** What L2's operator sees. */
  async listVms(signal: AbortSignal): Promise<OperatorVm[]> {
    const result = await this.#operator(this.#mustRun(), 'vm list', { signal });
    return parseVmList(result.stdout.toString());
  }

  /**
   * Shadows COM1 of a user VM or leaves it to L2, now and whenever it starts again.
   *
   * @throws VsbError E_VM_UNKNOWN, E_LINK_CLOSED, E_DEADLINE
   */
  async setHook(name: string, on: boolean, signal: AbortSignal): Promise<HookResult> {
    const running = this.#mustRun();
    vmConfigOf(running, name);
    running.hooks.set(name, on);
    const vm = running.hub.vm(name)?.vm;
    const { link } = running;
    if (vm === undefined || vm.state === 'gone' || link === undefined) return { vm: name };
    if (vm.hooked !== on) {
      const deadline = AbortSignal.timeout(hookLimitMs);
      const reported = hookReported(link, vm, on, AbortSignal.any([signal, deadline]));
      try {
        await Promise.all([link.setHook(vm.slot, vm.generation, on), reported]);
      } catch (error) {
        signal.throwIfAborted();
        if (!deadline.aborted) throw error;
        const message = `the shadow hypervisor did not switch ${name} within ${hookLimitMs / 1000} s`;
        throw new VsbError('E_DEADLINE', message, { layer: 'L1' });
      }
    }
    return { vm: name, hooked: on };
  }

  /** The proof: what L2's own serial device has seen of this VM. */
  async proof(name: string, signal: AbortSignal): Promise<Proof> {
    const running = this.#mustRun();
    vmConfigOf(running, name);
    const path = shellQuote(l2VmPaths(name).consoleLog);
    const result = await this.#operator(running, `stat -c %s ${path}`, { signal });
    const operatorBytes = Number(result.stdout.toString().trim());
    if (result.code !== 0 || !Number.isInteger(operatorBytes)) {
      throw new VsbError('E_SSH', `L2 has no serial log of ${name}: ${result.stderr.trim()}`, {
        layer: 'L2',
        hint: 'The VM may never have been started: `vsbypass vm start`.',
      });
    }
    return { vm: name, operatorBytes, shadowBytes: running.hub.vm(name)?.history.end ?? 0 };
  }

  /** What the shadow hypervisor has counted, of itself and of each user VM that it knows. */
  async counters(): Promise<Counters> {
    const { link, hub } = this.#mustRun();
    if (link === undefined) {
      throw new VsbError('E_LINK_CLOSED', 'there is no link to the shadow hypervisor', {
        layer: 'L1',
      });
    }
    const vms = hub.list().flatMap(({ name, vm }) => (vm === undefined ? [] : [{ name, vm }]));
    return {
      hypervisor: await link.globalCounters(),
      vms: await Promise.all(
        vms.map(async ({ name, vm }) => ({
          name,
          counters: await link.vmCounters(vm.slot, vm.generation),
        })),
      ),
    };
  }

  async operatorLog(name: string, bytes: number, signal: AbortSignal): Promise<string> {
    const running = this.#mustRun();
    vmConfigOf(running, name);
    const path = shellQuote(l2VmPaths(name).consoleLog);
    const result = await this.#operator(running, `tail -c ${bytes} ${path}`, { signal });
    return result.stdout.toString();
  }

  async #operator(
    running: Running,
    command: string,
    options: { readonly signal: AbortSignal; readonly timeoutMs?: number },
  ): Promise<RunResult> {
    if (running.management === undefined) throw new TypeError('a running testbed can be managed');
    return await runRemote(
      running.management.l2,
      `PATH=/usr/lib/vsbypass:$PATH; ${command}`,
      options,
    );
  }

  #mustRun(): Running {
    if (this.#state === 'running' && this.#running !== undefined) return this.#running;
    throw new VsbError(
      'E_INSTANCE_NOT_RUNNING',
      `instance '${this.#paths.name}' is ${this.#state}${this.#reason === undefined ? '' : `: ${this.#reason}`}`,
      { hint: '`vsbypass up` starts it.' },
    );
  }

  /** Lays out the files and starts QEMU; from here on `down` has something to end. */
  async #start(request: UpRequest, signal: AbortSignal): Promise<Running> {
    const paths = this.#paths;
    const { config, accel, images } = request;
    const plan = planTestbed(paths, config, accel.accel);
    const secrets = await ensureSecrets(
      paths,
      config.vms.map((vm) => vm.name),
    );
    await writeRecord(paths, {
      schemaVersion: 1,
      name: paths.name,
      createdAt: new Date().toISOString(),
      accel,
      config,
    });
    await assembleBootFiles({ paths, config, plan, secrets, images, signal });
    for (const path of [paths.qemuLog, paths.l1Log, paths.l2Log]) await startLog(path);
    for (const socket of [paths.qmpSocket, paths.linkSocket]) await rm(socket, { force: true });
    const l1 = await LogFollower.open(paths.l1Log);
    const l2 = await LogFollower.open(paths.l2Log);
    let qemu: QemuProcess;
    try {
      signal.throwIfAborted();
      qemu = await QemuProcess.start(plan.qemu, paths.qemuLog);
    } catch (error) {
      await Promise.all([l1.close(), l2.close()]);
      throw error;
    }
    const names = new Map(plan.vms.map((vm) => [vm.uuid, vm.name]));
    const running: Running = {
      request,
      plan,
      secrets,
      qemu,
      l1,
      l2,
      hooks: new Map(),
      failed: new AbortController(),
      hub: new ConsoleHub({
        historyBytes: config.console.historyBytes,
        nameOf: ({ uuid }) => (uuid === undefined ? undefined : names.get(uuid)),
      }),
    };
    this.#running = running;
    this.#last = { request, plan };
    await writeProcesses(paths, { daemon: this.#self, qemu: qemu.identity });
    void qemu.exited.then(async () => await this.#onQemuExit(running));
    l1.on('line', (line) => this.#onLine(running, 'L1', line));
    l2.on('line', (line) => this.#onLine(running, 'L2', line));
    return running;
  }

  /** Notices a layer that says that it cannot come up, or that it has crashed. */
  #onLine(running: Running, layer: 'L1' | 'L2', line: string): void {
    if (this.#running !== running) return;
    const panic = /Kernel panic - not syncing: .*/.exec(line)?.[0];
    const complaint = /^vsbypass-l[12]: error: (.*)/.exec(line)?.[1];
    if (this.#state === 'booting' && (panic ?? complaint) !== undefined) {
      const message = `${layer} says: ${panic ?? complaint}`;
      running.failed.abort(new VsbError('E_LAYER_FAILED', message, { layer }));
    } else if (this.#state === 'running' && panic !== undefined) {
      this.#state = 'broken';
      this.#reason = `${layer}: ${panic}`;
      this.#log(this.#reason);
    }
  }

  /** QEMU ended although nobody asked it to. */
  async #onQemuExit(running: Running): Promise<void> {
    if (this.#running !== running || running.qemu.exit === undefined) return;
    await Promise.all([running.l1.catchUp(), running.l2.catchUp()]);
    const reason = `QEMU ${describeExit(running.qemu.exit)}`;
    this.#log(reason);
    running.failed.abort(
      new VsbError('E_QEMU_EXITED', reason, {
        layer: 'L0',
        hint: '`vsbypass logs qemu` and `vsbypass logs l1` show the end.',
      }),
    );
    // While booting, the failed phase takes everything down.
    if (this.#state !== 'running' && this.#state !== 'broken') return;
    this.#state = 'broken';
    this.#reason = reason;
    this.#running = undefined;
    await this.#release(running);
    await Promise.all([running.l1.close(), running.l2.close()]);
    await writeProcesses(this.#paths, { daemon: this.#self });
  }

  /** Ends the daemon's own ends: gateway (which tells its sessions), consoles, link, QMP. */
  async #release(running: Running): Promise<void> {
    running.hub.close();
    await running.gateway?.close();
    running.link?.close();
  }

  #phases(running: Running): Phase[] {
    const { config } = running.request;
    const limit = (key: keyof typeof limitsMs): number => limitsMs[key] * config.patience;
    const { l1, l2 } = running;
    const loginOf =
      (name: string) =>
      async (signal: AbortSignal): Promise<void> =>
        config.console.mode === 'shadow'
          ? await loginShown(running.hub, name, signal)
          : await this.#loginLogged(running, name, signal);
    const qemuLog = { path: this.#paths.qemuLog, lastLines: () => [] };
    const firstXenLine = l1.expect((line) => line.includes('Xen'));
    const dom0Ready = l1.expect((line) => line.includes('vsbypass-l1: ready'));
    const l2Ready = l2.expect((line) => line.includes('vsbypass-l2: ready'));
    return [
      {
        name: 'qemu',
        layer: 'L0',
        awaited: "QEMU's QMP greeting",
        limitMs: limit('qemu'),
        hint: '`vsbypass logs qemu` shows what QEMU complained about.',
        log: qemuLog,
        run: async (signal) => await this.#connectQmp(running, signal, limit('qemu')),
      },
      {
        name: 'l1-xen',
        layer: 'L1',
        awaited: "Xen's first line on its console",
        limitMs: limit('l1-xen'),
        hint: 'The image of the hypervisor may be damaged: `vsbypass build`.',
        log: l1,
        run: async (signal) => void (await firstXenLine(signal)),
      },
      {
        name: 'link',
        layer: 'L1',
        awaited: "the shadow hypervisor's HELLO on the link",
        limitMs: limit('link'),
        hint: 'Is the hypervisor built from images/xen? `vsbypass logs xen` shows its messages.',
        log: l1,
        run: async (signal) => await this.#connectLink(running, signal, limit('link')),
      },
      {
        name: 'l1-dom0',
        layer: 'L1',
        awaited: 'dom0 to say `vsbypass-l1: ready` (L2 is created by then)',
        limitMs: limit('l1-dom0'),
        hint: '`vsbypass logs l1` shows how far dom0 came.',
        log: l1,
        run: async (signal) => void (await dom0Ready(signal)),
      },
      {
        name: 'l2',
        layer: 'L2',
        awaited: 'the virtualized system to say `vsbypass-l2: ready`',
        limitMs: limit('l2'),
        hint: '`vsbypass logs l2` shows how far it came.',
        log: l2,
        run: async (signal) => void (await l2Ready(signal)),
      },
      ...config.vms
        .filter((vm) => vm.autostart)
        .flatMap((vm) => vmPhases(running, vm, limit, loginOf(vm.name))),
    ];
  }

  /** Waits for `login:` where the operator sees it: in the log of L2's own serial device. */
  async #loginLogged(running: Running, name: string, signal: AbortSignal): Promise<void> {
    const path = shellQuote(l2VmPaths(name).consoleLog);
    const rounds = Math.ceil(limitsMs.login / 1000);
    // The boot's limit ends it before; the rounds end it if the connection is cut.
    const command = `for i in $(seq ${rounds}); do grep -q 'login:' ${path} && exit; sleep 1; done; exit 1`;
    const result = await this.#operator(running, command, {
      signal,
      timeoutMs: limitsMs.login * running.request.config.patience,
    });
    if (result.code === 0) return;
    throw new VsbError('E_VM_GONE', `L2's serial log of ${name} shows no login`, { layer: 'L3' });
  }

  async #connectQmp(running: Running, signal: AbortSignal, limitMs: number): Promise<void> {
    // QEMU makes the socket some milliseconds after it was started.
    for (;;) {
      try {
        running.qmp = await QmpClient.connect(this.#paths.qmpSocket, {
          signal,
          timeoutMs: limitMs,
        });
        break;
      } catch (error) {
        signal.throwIfAborted();
        if (running.qemu.exit !== undefined) throw error;
        await delay(20, undefined, { signal });
      }
    }
    running.qmp.on('event', (event) =>
      this.#log(`QMP ${event.name} ${JSON.stringify(event.data)}`),
    );
    const usernet = await running.qmp.execute(
      'human-monitor-command',
      { 'command-line': 'info usernet' },
      { signal },
    );
    const { secrets } = running;
    const target = (layer: 'L1' | 'L2', address: string, hostKey: Buffer): SshTarget => ({
      layer,
      host: loopback,
      port: forwardedPort(String(usernet), address),
      privateKey: secrets.management.privatePem,
      hostKeyLine: publicLineOf(hostKey),
    });
    running.management = {
      l1: target('L1', l1Address, secrets.l1Host),
      l2: target('L2', l2Address, secrets.l2Host),
    };
  }

  async #connectLink(running: Running, signal: AbortSignal, limitMs: number): Promise<void> {
    await this.#attachLink(
      running,
      await Link.connect(this.#paths.linkSocket, { signal, timeoutMs: limitMs }),
    );
    const { config } = running.request;
    const authorizedKeys = [running.secrets.client.publicLine];
    for (const path of config.console.authorizedKeys) {
      authorizedKeys.push(...((await readIfThere(path))?.toString() ?? '').split('\n'));
    }
    running.gateway = await startGateway({
      hostKeyPem: running.secrets.consoleHost.privatePem,
      authorizedKeys,
      hub: running.hub,
      listen: { host: loopback, port: config.console.port },
      log: (event) => this.#log(`gateway ${JSON.stringify(event)}`),
    });
  }

  async #attachLink(running: Running, link: Link): Promise<void> {
    running.link = link;
    link.on('error', (error) => this.#log(`link: ${messageOf(error)}`));
    link.on('close', () => {
      this.#log('link closed');
      this.#relink(running, link).catch((error: unknown) =>
        this.#log(`the link stays down: ${messageOf(error)}`),
      );
    });
    // After the hub, which knows by then under which name the VM goes.
    running.hub.attachLink(link);
    link.on('vm', (vm) => this.#applyHook(running, link, vm));
    for (const vm of link.vms()) this.#applyHook(running, link, vm);
    await link.setHltPolicy(GLOBAL_SLOT, 0, running.request.config.hltPolicy);
  }

  /** L1 shadows every VM that appears; some are to be left to L2, once it is known which they are. */
  #applyHook(running: Running, link: Link, vm: VmRecord): void {
    if (vm.state === 'gone' || vm.uuid === undefined || running.link !== link) return;
    const console = running.hub
      .list()
      .find((one) => one.vm?.slot === vm.slot && one.vm.generation === vm.generation);
    const asked = console === undefined ? undefined : running.hooks.get(console.name);
    const on = asked ?? running.request.config.console.mode === 'shadow';
    if (vm.hooked === on) return;
    link
      .setHook(vm.slot, vm.generation, on)
      .catch((error: unknown) => this.#log(`hook of slot ${vm.slot}: ${messageOf(error)}`));
  }

  /** Connects the link again while QEMU lives; L1 keeps what was not acknowledged. */
  async #relink(running: Running, closed: Link): Promise<void> {
    const { signal } = running.failed;
    while (this.#running === running && !signal.aborted) {
      await delay(relinkDelayMs, undefined, { signal }).catch(() => undefined);
      if (this.#running !== running || signal.aborted) return;
      try {
        const link = await Link.connect(this.#paths.linkSocket, {
          signal,
          timeoutMs: limitsMs.link,
          resume: closed,
        });
        await this.#attachLink(running, link);
        return;
      } catch (error) {
        this.#log(`link: ${messageOf(error)}`);
      }
    }
  }
}

const loopback = '127.0.0.1';

function busyError(name: string, state: TestbedState): VsbError {
  return state === 'running' || state === 'broken'
    ? new VsbError('E_INSTANCE_EXISTS', `instance '${name}' is up already`, {
        hint: '`vsbypass down` ends it; `--name` makes another one beside it.',
      })
    : new VsbError('E_BUSY', `instance '${name}' is ${state}, started by another command`, {
        hint: 'Wait for it, or `vsbypass down`.',
      });
}

async function endQemu(running: Running): Promise<void> {
  if (running.qmp?.isClosed === false) {
    await running.qmp.execute('quit', {}, { timeoutMs: quitGraceMs }).catch(() => undefined);
    running.qmp.close();
    await Promise.race([running.qemu.exited, delay(quitGraceMs, undefined, { ref: false })]);
  }
  await running.qemu.stop(quitGraceMs);
}

/** A fresh, private log; the one of the boot before stays as `.1`. */
async function startLog(path: string): Promise<void> {
  await rename(path, `${path}.1`).catch(() => undefined);
  await (await open(path, 'w', 0o600)).close();
}

function vmPhases(
  running: Running,
  vm: VmConfig,
  limit: (key: keyof typeof limitsMs) => number,
  loginShown: (signal: AbortSignal) => Promise<void>,
): Phase[] {
  const appeared: Phase = {
    name: `vm:${vm.name}`,
    layer: 'L3',
    awaited: `the first access of ${vm.name} to its serial port`,
    limitMs: limit('vm'),
    hint: '`vsbypass logs l2` shows whether L2 could start it.',
    log: running.l2,
    run: async (signal) => void (await consoleRunning(running.hub, vm.name, signal)),
  };
  // Whether another kernel or a disk ends in a login is not for us to know.
  if (vm.kernel !== undefined || vm.disk !== undefined) return [appeared];
  const login: Phase = {
    name: `login:${vm.name}`,
    layer: 'L3',
    awaited: `\`login:\` on the console of ${vm.name}`,
    limitMs: limit('login'),
    hint: `\`vsbypass logs xen\` and \`vsbypass logs l2\` show the layers below it.`,
    log: running.l2,
    run: loginShown,
  };
  return [appeared, login];
}

/** The console of that name, as soon as a VM runs there that is accepted. */
async function consoleRunning(
  hub: ConsoleHub,
  name: string,
  signal: AbortSignal,
  accepts: (vm: VmRecord | undefined) => boolean = () => true,
): Promise<VmConsole> {
  for (;;) {
    signal.throwIfAborted();
    const console = hub.vm(name);
    if (console?.state === 'running' && accepts(console.vm)) return console;
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        hub.off('vm-appeared', changed).off('vm-renamed', changed);
        signal.removeEventListener('abort', onAbort);
      };
      const changed = (): void => {
        done();
        resolve();
      };
      const onAbort = (): void => {
        done();
        reject(signal.reason as Error);
      };
      hub.on('vm-appeared', changed).on('vm-renamed', changed);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}

/** Waits until L1 reports the VM's hook as asked for. */
async function hookReported(
  link: Link,
  vm: VmRecord,
  on: boolean,
  signal: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const done = (): void => {
      link.off('vm', onVm);
      signal.removeEventListener('abort', onAbort);
    };
    const onVm = (now: VmRecord): void => {
      if (now.slot !== vm.slot || now.generation !== vm.generation || now.hooked !== on) return;
      done();
      resolve();
    };
    const onAbort = (): void => {
      done();
      reject(signal.reason as Error);
    };
    link.on('vm', onVm);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** Waits for output. */
async function spoken(session: Session, signal: AbortSignal): Promise<void> {
  for await (const { bytes } of session.chunks(signal)) if (bytes.length > 0) return;
  throw new VsbError('E_VM_GONE', 'the console has ended', { layer: 'L3' });
}

/** Waits for `login:` in the console's output. It is matched in memory; nothing of it is kept. */
async function loginShown(hub: ConsoleHub, name: string, signal: AbortSignal): Promise<void> {
  const wanted = 'login:';
  const console = await consoleRunning(hub, name, signal);
  const session = console.openSession({ mode: 'ro', label: 'boot', counted: false });
  try {
    let tail = '';
    for await (const { bytes } of session.chunks(signal)) {
      const text = tail + bytes.toString('latin1');
      if (text.includes(wanted)) return;
      tail = text.slice(1 - wanted.length);
    }
    throw new VsbError('E_VM_GONE', `${name} went away before it showed a login`, { layer: 'L3' });
  } finally {
    session.close();
  }
}

function vmConfigOf(running: Running, name: string): VmConfig {
  const vm = running.request.config.vms.find((candidate) => candidate.name === name);
  if (vm !== undefined) return vm;
  const known = running.request.config.vms.map((candidate) => candidate.name).join(', ');
  throw new VsbError('E_VM_UNKNOWN', `there is no user VM '${name}'`, {
    hint: `There are: ${known}.`,
  });
}

function describeLink(link: Link): NonNullable<InstanceStatus['shadowHypervisor']> {
  const { xenVersion, slots } = link.hello;
  const { badCrc, oversize, badEscape, unknown } = link.stats();
  return { version: xenVersion, slots, badFrames: badCrc + oversize + badEscape + unknown };
}

function describeVms(plan: TestbedPlan, hub: ConsoleHub | undefined): VmStatus[] {
  const planned = plan.vms.map((vm): VmStatus => {
    const console = hub?.vm(vm.name);
    return console === undefined
      ? { name: vm.name, uuid: vm.uuid, state: 'absent', sessions: 0, bytesOut: 0, bytesIn: 0 }
      : { ...describeConsole(console), uuid: vm.uuid };
  });
  const known = new Set(planned.map((vm) => vm.name));
  const others = (hub?.list() ?? []).filter((console) => !known.has(console.name));
  return [...planned, ...others.map(describeConsole)];
}

function describeConsole(console: VmConsole): VmStatus {
  const { name, state, vm, sessions, bytesOut, bytesIn } = console.info();
  return {
    name,
    state,
    ...(vm === undefined ? {} : { slot: vm.slot, hooked: vm.hooked }),
    sessions: sessions.length,
    bytesOut,
    bytesIn,
  };
}

/** `name<TAB>running|stopped<TAB>pid` lines of L2's `vm list`. */
export function parseVmList(output: string): OperatorVm[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', state, pid] = line.split('\t');
      return state === 'running'
        ? { name, state, pid: Number(pid) }
        : { name, state: 'stopped' as const };
    });
}
