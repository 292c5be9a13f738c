/** Keeps the state of a running testbed. The guests stand still meanwhile, and go on whatever happens. */
import { statfs } from 'node:fs/promises';

import { VsbError, messageOf } from '../../base/errors.js';
import { l0MemoryMiB } from '../../config/sizes.js';
import { continueMachine, stopMachine } from '../pause.js';
import { limitOf, type Running } from '../running.js';
import { bindingOf } from './binding.js';
import { whyUnsound } from './soundness.js';
import { listSnapshots, maximumSnapshots, warmName, writeSnapshot } from './store.js';

/**
 * @throws VsbError E_SKIPPED where a saved state could not be trusted; E_NO_SPACE, E_USAGE (too many),
 *   E_QMP, E_DEADLINE; the signal's reason
 */
export async function keepState(
  running: Running,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly bytes: number; readonly seconds: number }> {
  const { paths, machine, plan, request, secrets } = running;
  const { config, accel, images } = request;
  const unsound = whyUnsound(config, accel.accel);
  if (unsound !== undefined) throw new VsbError('E_SKIPPED', `no state is kept: ${unsound}`);
  await assertRoom(running, name);
  const limitMs = limitOf(config, 'save');
  const deadline = AbortSignal.timeout(limitMs);
  const until = AbortSignal.any([signal, deadline, running.failed.signal]);
  const started = performance.now();
  const binding = await bindingOf({ plan, config, accel: accel.accel, images });
  try {
    await stopMachine(running, until);
    await writeSnapshot(
      paths,
      { schemaVersion: 1, name, createdAt: new Date().toISOString(), binding, images, config },
      {
        management: secrets.management,
        l1Host: secrets.l1Host.toString('base64'),
        l2Host: secrets.l2Host.toString('base64'),
        passwords: { ...secrets.passwords },
      },
      async (file) => await machine.save(file, until),
    );
  } catch (error) {
    if (!deadline.aborted) throw error;
    throw new VsbError('E_DEADLINE', `the state was not saved within ${limitMs / 1000} s`);
  } finally {
    await machine.abandonSave().catch((error: unknown) => running.log(messageOf(error)));
    await continueMachine(running).catch((error: unknown) => running.log(messageOf(error)));
  }
  const kept = (await listSnapshots(paths)).find((one) => one.name === name);
  return { bytes: kept?.bytes ?? 0, seconds: (performance.now() - started) / 1000 };
}

/** Room for the state as it would be without compression: nobody knows before how well it does. */
async function assertRoom({ paths, request }: Running, name: string): Promise<void> {
  const others = (await listSnapshots(paths)).filter((one) => ![name, warmName].includes(one.name));
  if (name !== warmName && others.length >= maximumSnapshots) {
    throw new VsbError('E_USAGE', `there are ${others.length} snapshots already`, {
      hint: '`vsbypass snapshot delete NAME`, or `vsbypass prune`.',
    });
  }
  const { bavail, bsize } = await statfs(paths.stateDir);
  const freeMiB = Math.floor((bavail * bsize) / 1_048_576);
  const neededMiB = l0MemoryMiB(request.config);
  if (freeMiB >= neededMiB) return;
  throw new VsbError('E_NO_SPACE', `${freeMiB} MiB are free, a state may take ${neededMiB} MiB`, {
    hint: '`vsbypass prune` removes saved states; `vsbypass up --no-save` keeps none.',
  });
}
