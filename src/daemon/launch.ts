/** Starts the QEMU of an instance or takes a living one over, and closes what the daemon has opened for it. */
import { rm } from 'node:fs/promises';

import { ConsoleHub } from '../console/hub/hub.js';
import { AdoptedQemu } from '../machine/adopted-qemu.js';
import { assembleBootFiles } from '../machine/assemble.js';
import { freshLog, keptLog } from '../machine/layer-log.js';
import { planTestbed, type TestbedPlan } from '../machine/plan.js';
import { QemuProcess, type QemuHandle } from '../machine/qemu-process.js';
import type { Adoptable } from '../machine/resume.js';
import type { Running, UpRequest } from '../machine/running.js';
import { secretsOf } from '../machine/saved/choose.js';
import type { Access } from '../machine/saved/store.js';
import { incomingArguments } from '../machine/saved/transfer.js';
import { ensurePrivateDirectory, socketPathsOf, type InstancePaths } from '../state/paths.js';
import { writeRecord } from '../state/record.js';
import { ensureSecrets, type Secrets } from '../state/secrets.js';

/** What a testbed has as soon as its QEMU runs. */
export type Launched<Qemu extends QemuHandle = QemuHandle> = Pick<
  Running,
  'request' | 'plan' | 'secrets' | 'l0' | 'l1' | 'l2'
> & { readonly qemu: Qemu };

/**
 * Lays out the files that the layers boot from and starts QEMU.
 *
 * @param resumed the keys and passwords in a saved state, if QEMU is to wait for one
 * @throws VsbError what a file lacks; the signal's reason
 */
export async function launch(
  paths: InstancePaths,
  request: UpRequest,
  signal: AbortSignal,
  resumed?: Access,
): Promise<Launched> {
  const { config, accel, images } = request;
  const plan = planTestbed(paths, config, accel);
  const own = await secretsFor(paths, request);
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
  await removeQemuSockets(paths);
  signal.throwIfAborted();
  const command = resumed === undefined ? plan.qemu : withIncoming(plan.qemu, paths);
  const l0 = freshLog(paths.qemuLog);
  const l1 = freshLog(paths.l1Log);
  const l2 = freshLog(paths.l2Log);
  try {
    const qemu = await QemuProcess.start(command, l0);
    return { request, plan, secrets, qemu, l0, l1, l2 };
  } catch (error) {
    closeLogs({ l0, l1, l2 });
    throw error;
  }
}

/** The same for a QEMU that runs already; its files are left as they are. */
export async function takeOver(
  paths: InstancePaths,
  { qemu, resume: { request } }: Adoptable,
): Promise<Launched<AdoptedQemu>> {
  return {
    request,
    plan: planTestbed(paths, request.config, request.accel),
    secrets: await secretsFor(paths, request),
    qemu: new AdoptedQemu(qemu),
    l0: keptLog(paths.qemuLog),
    l1: keptLog(paths.l1Log),
    l2: keptLog(paths.l2Log),
  };
}

/** A testbed whose QEMU has just been launched: nothing is connected to it yet. */
export function asRunning(
  launched: Launched,
  paths: InstancePaths,
  log: (text: string) => void,
): Running {
  const { config } = launched.request;
  const names = new Map(launched.plan.vms.map((vm) => [vm.uuid, vm.name]));
  return {
    ...launched,
    paths,
    hooks: new Map(),
    wanted: new Set(config.vms.filter((vm) => vm.autostart).map((vm) => vm.name)),
    failed: new AbortController(),
    log,
    hub: new ConsoleHub({
      historyBytes: config.console.historyBytes,
      nameOf: ({ uuid }) => (uuid === undefined ? undefined : names.get(uuid)),
    }),
  };
}

/** Closes the daemon's ends: consoles, interrupts, gateway (which tells its sessions), link. QMP and the logs stay. */
export async function release(running: Running): Promise<void> {
  running.hub.close();
  running.interrupts?.close();
  await running.gateway?.close();
  running.link?.close();
}

export function closeLogs({ l0, l1, l2 }: Pick<Running, 'l0' | 'l1' | 'l2'>): void {
  for (const log of [l0, l1, l2]) log.close();
}

/** QEMU does not start where a socket of an earlier one lies. */
export async function removeQemuSockets(paths: InstancePaths): Promise<void> {
  const sockets = socketPathsOf(paths).filter((path) => path !== paths.controlSocket);
  for (const socket of sockets) await rm(socket, { force: true });
}

async function secretsFor(paths: InstancePaths, { config }: UpRequest): Promise<Secrets> {
  return await ensureSecrets(
    paths,
    config.vms.map((vm) => vm.name),
  );
}

function withIncoming(qemu: TestbedPlan['qemu'], paths: InstancePaths): TestbedPlan['qemu'] {
  const incoming = incomingArguments(paths.stateSocket);
  return { ...qemu, arguments: [...qemu.arguments, ...incoming] };
}
