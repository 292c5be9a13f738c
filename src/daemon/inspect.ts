/** The state of an instance as it really is: from its daemon if it lives, else from living processes. */
import { readdir } from 'node:fs/promises';

import { VsbError, messageOf } from '../errors/index.js';
import {
  assertInstanceName,
  instancePaths,
  type InstancePaths,
  type Roots,
} from '../testbed/paths.js';
import { readRecord } from '../testbed/record.js';
import { callDaemon } from './client.js';
import { findLeftovers } from './leftovers.js';
import type { InstanceStatus } from './protocol.js';

const answerLimitMs = 5000;

/** Never throws for a bad instance: what is wrong becomes its state and reason. */
export async function inspectInstance(
  paths: InstancePaths,
  signal?: AbortSignal,
): Promise<InstanceStatus> {
  try {
    const leftovers = await findLeftovers(paths);
    const { daemon, qemu } = leftovers;
    if (daemon !== undefined) {
      try {
        return await callDaemon(
          paths.controlSocket,
          'status',
          {},
          { signal, timeoutMs: answerLimitMs },
        );
      } catch (error) {
        signal?.throwIfAborted();
        const reason = `the daemon (pid ${daemon.pid}) does not answer: ${messageOf(error)}`;
        return await withoutDaemon(paths, 'broken', reason, { daemon: daemon.pid });
      }
    }
    if (qemu !== undefined) {
      const reason = `the daemon is gone, QEMU (pid ${qemu.pid}) still runs`;
      return await withoutDaemon(paths, 'broken', reason, { qemu: qemu.pid });
    }
    return leftovers.recorded
      ? await withoutDaemon(paths, 'broken', 'the daemon and QEMU are gone', {})
      : await withoutDaemon(paths, 'stopped', undefined, {});
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
  const record = await readRecord(paths);
  return {
    ...emptyStatus(paths.name, state, reason, processes),
    ...(record === undefined ? {} : { accel: record.accel }),
    vms: (record?.config.vms ?? []).map(({ name }) => ({
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
