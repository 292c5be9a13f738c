/** The state of an instance as it really is: from its daemon if it lives, else from living processes. */
import { readdir } from 'node:fs/promises';

import { VsbError, messageOf } from '../base/errors.js';
import { exists } from '../base/files.js';
import { stretched } from '../base/machine-pace.js';
import { processState } from '../base/process-identity.js';
import type { InstanceStatus } from '../contract/status.js';
import { findLeftovers } from '../machine/leftovers.js';
import { findAdoptable } from '../machine/resume.js';
import { assertInstanceName, instancePaths, type InstancePaths } from '../state/paths.js';
import type { Roots } from '../state/roots.js';
import { readRecord, type InstanceRecord } from '../state/record.js';
import { callDaemon } from './client.js';

/** The daemon asks its layers first, for some seconds at most. */
const answerLimitMs = stretched(8000);

/**
 * Never throws for a bad instance: what is wrong becomes its state and reason.
 *
 * @param ask false: what the daemon knows without asking its layers, for who must not wait for the slowest of them
 */
export async function inspectInstance(
  paths: InstancePaths,
  signal?: AbortSignal,
  ask = true,
): Promise<InstanceStatus> {
  try {
    const leftovers = await findLeftovers(paths);
    const { daemon, qemu, make = 'its machine' } = leftovers;
    if (daemon !== undefined && (await processState(daemon)) === 'T') {
      const { pid } = daemon;
      const reason = `the daemon is stopped by a signal; \`kill -CONT ${pid}\` lets it go on`;
      return await withoutDaemon(paths, 'broken', reason, { daemon: pid });
    }
    if (daemon !== undefined) {
      try {
        // A daemon of a version before does not know the parameter.
        return await callDaemon(paths.controlSocket, 'status', ask ? {} : { ask }, {
          signal,
          timeoutMs: answerLimitMs,
        });
      } catch (error) {
        signal?.throwIfAborted();
        const reason = (await exists(paths.runtimeDir))
          ? `the daemon (pid ${daemon.pid}) does not answer: ${messageOf(error)}`
          : `the daemon (pid ${daemon.pid}) cannot be reached: ${paths.runtimeDir}, with its sockets, was removed`;
        return await withoutDaemon(paths, 'broken', reason, { daemon: daemon.pid });
      }
    }
    if (qemu !== undefined) {
      const adoptable = await findAdoptable(paths, leftovers);
      const help = adoptable === undefined ? '' : '; `vsbypass up` takes it over';
      const reason = `the daemon is gone, ${make} (pid ${qemu.pid}) still runs${help}`;
      return await withoutDaemon(paths, 'broken', reason, { qemu: qemu.pid });
    }
    if (leftovers.recorded) {
      const reason = leftovers.damage ?? 'the daemon and QEMU are gone';
      return await withoutDaemon(paths, 'broken', reason, {});
    }
    return (await exists(paths.stateDir))
      ? await withoutDaemon(paths, 'stopped', undefined, {})
      : emptyStatus(paths.name, 'absent', undefined, {});
  } catch (error) {
    signal?.throwIfAborted();
    return emptyStatus(paths.name, 'broken', messageOf(error), {});
  }
}

async function withoutDaemon(
  paths: InstancePaths,
  state: InstanceStatus['state'],
  reason: string | undefined,
  processes: InstanceStatus['processes'],
): Promise<InstanceStatus> {
  let record: InstanceRecord | undefined;
  try {
    record = await readRecord(paths);
  } catch (error) {
    // How it was made is not what it is; the next `up` writes it anew.
    reason ??= messageOf(error);
  }
  return {
    ...emptyStatus(paths.name, state, reason, processes),
    ...(record === undefined ? {} : { accel: record.accel }),
    vms: [...(record?.config.vms ?? []), ...(record?.config.consoles ?? [])].map(({ name }) => ({
      name,
      state: 'absent',
      sessions: 0,
      bytesOut: 0,
      bytesIn: 0,
    })),
  };
}

function emptyStatus(
  name: string,
  state: InstanceStatus['state'],
  reason: string | undefined,
  processes: InstanceStatus['processes'],
): InstanceStatus {
  return {
    schemaVersion: 1,
    name,
    state,
    ...(reason === undefined ? {} : { reason }),
    processes,
    vms: [],
  };
}

/** All instances that have a state folder, by name. */
export async function listInstances(roots: Roots): Promise<InstancePaths[]> {
  const names = await readdir(roots.instances).catch(() => []);
  return names.sort().flatMap((name) => {
    try {
      assertInstanceName(name);
      return [instancePaths(name, roots)];
    } catch (error) {
      if (error instanceof VsbError) return []; // Not one of ours.
      throw error;
    }
  });
}
