/** Makes the saved state that `up` begins with, ahead of time: an instance of no importance boots and is taken down again. */
import { rm } from 'node:fs/promises';

import { VsbError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import type { UpEvent } from '../contract/events.js';
import { asksKvm, decideAccel, type AccelDecision } from '../host/accel.js';
import { probeKvm } from '../host/kvm.js';
import type { ImageDirectories } from '../images/build.js';
import { bindingOf } from '../machine/saved/binding.js';
import { readState, sizeOf } from '../machine/saved/folder.js';
import { deleteShared, sharedFolder, sharedKey } from '../machine/saved/shared.js';
import { whyUnsound } from '../machine/saved/soundness.js';
import { instancePaths } from '../state/paths.js';
import type { Roots } from '../state/roots.js';
import { bringUpInstance } from './bring-up.js';
import { stopInstance } from './stop.js';

export interface MakeStateOptions {
  readonly roots: Roots;
  readonly config: Config;
  readonly accel: AccelDecision;
  readonly images: ImageDirectories;
  readonly signal: AbortSignal;
  readonly report: (event: UpEvent) => void;
}

export interface MadeState {
  readonly key: string;
  readonly bytes: number;
  /** False: it was there already. */
  readonly made: boolean;
}

/**
 * @throws VsbError what the host lacks (3); a failed layer (4); the signal's reason, when nothing is left running
 */
export async function makeState(options: MakeStateOptions): Promise<MadeState> {
  const { roots, config, accel, images } = options;
  const key = sharedKey(await bindingOf({ config, accel, images }));
  const folder = sharedFolder(roots.cache, key);
  const made = !(await isWhole(roots.cache, key));
  if (made) await bootAndKeep(options);
  return { key, bytes: await sizeOf(folder.directory), made };
}

/** @throws VsbError E_SKIPPED (77) where a saved state could not be trusted; E_ACCEL */
export async function stateAccel(config: Config, signal: AbortSignal): Promise<AccelDecision> {
  const kvm = asksKvm(config) ? await probeKvm({ signal }) : undefined;
  const accel = decideAccel(config, kvm);
  const unsound = whyUnsound(config, accel.accel);
  if (unsound !== undefined) throw new VsbError('E_SKIPPED', `no state is made: ${unsound}`);
  return accel;
}

/** One that is damaged is removed. */
async function isWhole(cacheDir: string, key: string): Promise<boolean> {
  try {
    return (await readState(sharedFolder(cacheDir, key))) !== undefined;
  } catch {
    await deleteShared(cacheDir, key);
    return false;
  }
}

async function bootAndKeep({ roots, config, signal, report }: MakeStateOptions): Promise<void> {
  const paths = instancePaths(`state-${process.pid}`, roots);
  let refusal: string | undefined;
  try {
    await bringUpInstance({
      ...{ paths, roots, config, signal },
      warm: { keep: true },
      report: (event) => {
        if (event.type === 'warm' && event.reason === 'not-kept') refusal = event.why;
        report(event);
      },
    });
  } finally {
    await stopInstance(paths);
    for (const folder of [paths.stateDir, paths.runtimeDir]) {
      await rm(folder, { recursive: true, force: true });
    }
  }
  if (refusal !== undefined) throw new VsbError('E_HOST', `the state was not kept: ${refusal}`);
}
