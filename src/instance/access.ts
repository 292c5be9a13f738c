/** What a command needs to know of an instance to talk to its consoles. */
import { readdir } from 'node:fs/promises';

import { VsbError } from '../base/errors.js';
import { exists } from '../base/files.js';
import { nearestName } from '../base/suggest.js';
import type { InstanceAccess } from '../console/client/instance-access.js';
import { managementTargets } from '../state/management-targets.js';
import { instancePaths, type InstancePaths } from '../state/paths.js';
import { findRoots } from '../state/roots.js';
import { adoptIfOrphaned } from './find-or-adopt.js';
import { inspectInstance } from './inspect.js';

/**
 * @throws VsbError E_INSTANCE_NAME; E_INSTANCE_UNKNOWN when it was never brought up
 */
export async function existingInstance(name: string): Promise<InstancePaths> {
  const paths = instancePaths(name, findRoots());
  if (await exists(paths.stateDir)) return paths;
  const meant = nearestName(name, await readdir(findRoots().instances).catch(() => []));
  throw new VsbError('E_INSTANCE_UNKNOWN', `there is no instance '${name}'`, {
    hint:
      meant === undefined
        ? '`vsbypass up` makes it; `vsbypass status --all` lists those that exist.'
        : `Did you mean '${meant}'? \`vsbypass status --all\` lists those that exist.`,
  });
}

/**
 * One with a daemon, if it can be had: where the daemon is gone and QEMU lives, a new one takes it over.
 *
 * @throws VsbError as existingInstance does; E_DAEMON when it cannot be taken over
 */
export async function servedInstance(name: string, signal: AbortSignal): Promise<InstancePaths> {
  const paths = await existingInstance(name);
  await adoptIfOrphaned(paths, findRoots(), signal);
  return paths;
}

/** @throws VsbError as servedInstance does */
export async function instanceAccess(name: string, signal: AbortSignal): Promise<InstanceAccess> {
  const paths = await servedInstance(name, signal);
  // A console has to open while dom0 or L2 hangs, and at once.
  const status = await inspectInstance(paths, signal, false);
  return {
    name,
    stateDir: paths.stateDir,
    runtimeDir: paths.runtimeDir,
    vms: status.vms.map((vm) => vm.name),
    uuids: new Map(
      status.vms.flatMap(({ name, uuid }) => (uuid === undefined ? [] : [[name, uuid]])),
    ),
    ...(status.gateway === undefined ? {} : { gateway: status.gateway }),
    unhooked: status.vms.filter((vm) => vm.hooked === false).map((vm) => vm.name),
    watched: new Map(
      status.vms.flatMap(({ name, watched }) => (watched === undefined ? [] : [[name, watched]])),
    ),
    ...(status.management === undefined
      ? {}
      : { management: await managementTargets(paths, status.management) }),
  };
}

/** One that is up, and how root of its layers is reached. */
export type ManagedInstance = InstanceAccess & Required<Pick<InstanceAccess, 'management'>>;

/** @throws VsbError as instanceAccess does; E_INSTANCE_NOT_RUNNING */
export async function managedInstance(name: string, signal: AbortSignal): Promise<ManagedInstance> {
  const access = await instanceAccess(name, signal);
  const { management } = access;
  if (management !== undefined) return { ...access, management };
  throw new VsbError('E_INSTANCE_NOT_RUNNING', `instance '${name}' is not up`, {
    hint: 'start it with `vsbypass up`',
  });
}
