/** Keeps the state of a running testbed. The guests stand still meanwhile, and go on whatever happens. */
import { mkdir, statfs } from 'node:fs/promises';

import { VsbError, messageOf } from '../../base/errors.js';
import { orFileError } from '../../base/files.js';
import { l0MemoryMiB } from '../../config/sizes.js';
import { l2Uuid } from '../../state/record.js';
import { continueMachine, stopMachine } from '../pause.js';
import { limitOf, type Running } from '../running.js';
import { bindingOf } from './binding.js';
import { readState, sizeOf, type NewState } from './folder.js';
import { runsAfterBoot, whatRuns } from './runs.js';
import { deleteShared, sharedFolder, sharedKey, writeShared } from './shared.js';
import { whyUnsound } from './soundness.js';
import {
  listSnapshots,
  maximumSnapshots,
  snapshotFolder,
  warmName,
  writeSnapshot,
} from './store.js';
import type { Uuids } from './uuids.js';

export interface Kept {
  readonly bytes: number;
  readonly seconds: number;
}

/**
 * Under a name of the instance's own.
 *
 * @throws VsbError E_SKIPPED where a saved state could not be trusted; E_NO_SPACE, E_FILE, E_USAGE (too many),
 *   E_QMP, E_SSH, E_LINK_CLOSED, E_DEADLINE; the signal's reason
 */
export async function keepState(
  running: Running,
  name: string,
  signal: AbortSignal,
): Promise<Kept> {
  const { paths } = running;
  assertSound(running);
  const others = (await listSnapshots(paths)).filter((one) => one.name !== name);
  if (others.length >= maximumSnapshots) {
    throw new VsbError('E_USAGE', `there are ${others.length} snapshots already`, {
      hint: '`vsbypass snapshot delete NAME`, or `vsbypass prune`.',
    });
  }
  const started = performance.now();
  const binding = await bindingOf(running.request);
  const runs = await whatRuns(running, signal);
  await keep(running, { name, binding, runs }, paths.stateDir, signal, async (state) => {
    await writeSnapshot(paths, state);
  });
  return { bytes: await sizeOf(snapshotFolder(paths, name).directory), seconds: since(started) };
}

/**
 * For whoever makes the same machine, right after a boot; undefined when there is such a state already.
 *
 * @throws as keepState
 */
export async function shareState(running: Running, signal: AbortSignal): Promise<Kept | undefined> {
  const { cacheDir } = running.paths;
  assertSound(running);
  const started = performance.now();
  const binding = await bindingOf(running.request);
  const key = sharedKey(binding);
  const folder = sharedFolder(cacheDir, key);
  try {
    if ((await readState(folder)) !== undefined) return undefined;
  } catch (error) {
    running.log(`saved state dropped: ${messageOf(error)}`);
    await deleteShared(cacheDir, key);
  }
  await mkdir(cacheDir, { recursive: true });
  const what = { name: warmName, binding, runs: runsAfterBoot(running) };
  await keep(running, what, cacheDir, signal, async (state) => {
    await writeShared(cacheDir, key, state);
  });
  return { bytes: await sizeOf(folder.directory), seconds: since(started) };
}

function assertSound({ request: { config, accel } }: Running): void {
  const unsound = whyUnsound(config, accel.accel);
  if (unsound !== undefined) throw new VsbError('E_SKIPPED', `no state is kept: ${unsound}`);
}

/** @param place where it is to be, which must have room */
async function keep(
  running: Running,
  what: Pick<NewState['snapshot'], 'name' | 'binding' | 'runs'>,
  place: string,
  signal: AbortSignal,
  write: (state: NewState) => Promise<void>,
): Promise<void> {
  const { machine, request, secrets } = running;
  const { config, images } = request;
  await assertRoom(running, place);
  const limitMs = limitOf(config, 'save');
  const deadline = AbortSignal.timeout(limitMs);
  const until = AbortSignal.any([signal, deadline, running.failed.signal]);
  const uuids = uuidsOf(running);
  try {
    await stopMachine(running, until);
    await write({
      snapshot: {
        ...what,
        ...{ schemaVersion: 1, createdAt: new Date().toISOString(), images, config, uuids },
      },
      access: {
        management: secrets.management,
        l1Host: secrets.l1Host.toString('base64'),
        l2Host: secrets.l2Host.toString('base64'),
        passwords: Object.fromEntries(secrets.passwords),
      },
      fill: async (file) => await machine.save(file, until, uuids),
    });
  } catch (error) {
    if (!deadline.aborted) throw orFileError('the state cannot be saved', error);
    throw new VsbError('E_DEADLINE', `the state was not saved within ${limitMs / 1000} s`);
  } finally {
    await continueMachine(running).catch((error: unknown) => running.log(messageOf(error)));
  }
}

/** Those of an instance's domains, by the names of user VMs; L2's has none. */
export function uuidsOf({ paths, plan }: Pick<Running, 'paths' | 'plan'>): Uuids {
  return {
    '': l2Uuid(paths.name),
    ...Object.fromEntries(plan.vms.map(({ name, uuid }) => [name, uuid])),
  };
}

function since(started: number): number {
  return (performance.now() - started) / 1000;
}

/** Room for the state as it would be without compression: nobody knows before how well it does. */
async function assertRoom({ request }: Running, place: string): Promise<void> {
  const { bavail, bsize } = await statfs(place);
  const freeMiB = Math.floor((bavail * bsize) / 1_048_576);
  const neededMiB = l0MemoryMiB(request.config);
  if (freeMiB >= neededMiB) return;
  throw new VsbError('E_NO_SPACE', `${freeMiB} MiB are free, a state may take ${neededMiB} MiB`, {
    hint: '`vsbypass prune` removes saved states; `vsbypass up --no-save` keeps none.',
  });
}
