/** Starts the machine of an instance or takes a living one over, and closes what the daemon has opened for it. */
import { rm } from 'node:fs/promises';

import { ConsoleHub } from '../console/hub/hub.js';
import { assembleBootFiles } from '../machine/assemble.js';
import { AdoptedProcess } from '../machine/l0/adopted-process.js';
import { machineOf } from '../machine/l0/make.js';
import { StartedProcess } from '../machine/l0/process.js';
import { freshLog, keptLog } from '../machine/layer-log.js';
import { planTestbed, type TestbedPlan } from '../machine/plan.js';
import type { Adoptable } from '../machine/resume.js';
import { namedVms, type Running, type UpRequest } from '../machine/running.js';
import { secretsOf } from '../machine/saved/choose.js';
import type { Access } from '../machine/saved/folder.js';
import { incomingArguments } from '../machine/saved/transfer.js';
import { socketPathsOf, type InstancePaths } from '../state/paths.js';
import { ensurePrivateDirectory } from '../state/private-folders.js';
import { writeRecord } from '../state/record.js';
import { ensureSecrets, type Secrets } from '../state/secrets.js';

/** What a testbed has as soon as its machine runs. */
export type Launched = Pick<
  Running,
  'request' | 'plan' | 'secrets' | 'machine' | 'l0' | 'l1' | 'l2'
>;

/**
 * Lays out the files that the layers boot from and starts the machine.
 *
 * @param resumed the keys and passwords in a saved state, if the machine is to wait for one
 * @throws VsbError what a file lacks; the signal's reason
 */
export async function launch(
  paths: InstancePaths,
  request: UpRequest,
  signal: AbortSignal,
  log: (text: string) => void,
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
    accel: { accel: accel.accel, vendor: accel.vendor, why: accel.why },
    config,
  });
  await ensurePrivateDirectory(paths.bootDir);
  const cpu = accel.cpu.argument;
  await assembleBootFiles({ paths, config, cpu, plan, secrets, images, signal });
  await removeMachineSockets(paths);
  signal.throwIfAborted();
  const command = resumed === undefined ? plan.machine : withIncoming(plan.machine, paths);
  const l0 = freshLog(paths.qemuLog);
  const l1 = freshLog(paths.l1Log);
  const l2 = freshLog(paths.l2Log);
  try {
    const process = await StartedProcess.start(command, l0);
    const machine = machineOf(accel.accel, process, paths, log);
    return { request, plan, secrets, machine, l0, l1, l2 };
  } catch (error) {
    closeLogs({ l0, l1, l2 });
    throw error;
  }
}

/** The same for a machine that runs already; its files are left as they are. */
export async function takeOver(
  paths: InstancePaths,
  { qemu, resume: { request } }: Adoptable,
  log: (text: string) => void,
): Promise<Launched> {
  return {
    request,
    plan: planTestbed(paths, request.config, request.accel),
    secrets: await secretsFor(paths, request),
    machine: machineOf(request.accel.accel, new AdoptedProcess(qemu), paths, log),
    l0: keptLog(paths.qemuLog),
    l1: keptLog(paths.l1Log),
    l2: keptLog(paths.l2Log),
  };
}

/** A testbed whose machine has just been launched: nothing is connected to it yet. */
export function asRunning(
  launched: Launched,
  paths: InstancePaths,
  log: (text: string) => void,
): Running {
  const { config } = launched.request;
  const names = new Map(namedVms(launched).map((vm) => [vm.uuid, vm.name]));
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

/** Closes the daemon's ends: consoles, interrupts, gateway (which tells its sessions), link. the machine and the logs stay. */
export async function release(running: Running): Promise<void> {
  running.hub.close();
  running.interrupts?.close();
  await running.gateway?.close();
  running.link?.close();
}

export function closeLogs({ l0, l1, l2 }: Pick<Running, 'l0' | 'l1' | 'l2'>): void {
  for (const log of [l0, l1, l2]) log.close();
}

/** No machine starts where a socket of an earlier one lies. */
export async function removeMachineSockets(paths: InstancePaths): Promise<void> {
  const sockets = socketPathsOf(paths).filter((path) => path !== paths.controlSocket);
  for (const socket of sockets) await rm(socket, { force: true });
}

async function secretsFor(paths: InstancePaths, { config }: UpRequest): Promise<Secrets> {
  return await ensureSecrets(
    paths,
    config.vms.map((vm) => vm.name),
  );
}

function withIncoming(
  machine: TestbedPlan['machine'],
  paths: InstancePaths,
): TestbedPlan['machine'] {
  const incoming = incomingArguments(paths.stateSocket);
  return { ...machine, arguments: [...machine.arguments, ...incoming] };
}
