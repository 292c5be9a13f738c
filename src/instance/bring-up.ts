/** Brings an instance up: host, images, daemon, boot. What happens on the way is reported as events. */
import { readdir } from 'node:fs/promises';

import { VsbError } from '../base/errors.js';
import { exists } from '../base/files.js';
import { l2SystemOf, type Config, type L2System } from '../config/schema.js';
import type { Parameters } from '../contract/control.js';
import { isUp, type InstanceStatus } from '../contract/status.js';
import type { UpEvent } from '../contract/events.js';
import type { Accel } from '../host/accel.js';
import { assertHost, inspectHost } from '../host/checks.js';
import { buildImages, imageNames, namesIn, type ImageDirectories } from '../images/build.js';
import type { InstancePaths } from '../state/paths.js';
import type { Roots } from '../state/roots.js';
import { bootInstance } from './boot.js';
import { adoptIfOrphaned } from './find-or-adopt.js';
import { inspectInstance } from './inspect.js';
import { assertSoundDisks } from './own-disks.js';
import { clearBroken } from './stop.js';

export interface BringUpOptions {
  readonly paths: InstancePaths;
  readonly roots: Roots;
  readonly config: Config;
  /** Ends the boot; nothing is left running then. */
  readonly signal: AbortSignal;
  readonly report: (event: UpEvent) => void;
  /** Saved states: what to begin with, and whether to keep one. */
  readonly warm?: Parameters<'up'>['warm'];
  /** Whether to save the state of a machine that does not come up. */
  readonly keepFailed?: boolean;
}

/**
 * @throws VsbError: E_INSTANCE_EXISTS, E_BUSY (2); what the host lacks (3); a failed layer (4); the
 *   signal's reason, when nothing is left running
 */
export async function bringUpInstance(options: BringUpOptions): Promise<InstanceStatus> {
  const { paths, roots, signal, report } = options;
  const adopted = await takeOver(options);
  if (adopted !== undefined) return adopted;
  await makeWay(paths, report, signal);
  const request = await prepareBoot(options);
  return await bootInstance({ paths, roots, request }, { signal, report });
}

/**
 * Looks at the host, and builds what is missing.
 *
 * @param freedMiB memory of this host that will be free by the time of the boot
 * @returns what the daemon is asked for
 * @throws VsbError what the host lacks (3), E_DISK_IMAGE; the signal's reason
 */
export async function prepareBoot(
  options: BringUpOptions,
  freedMiB = 0,
): Promise<Parameters<'up'>> {
  const { paths, roots, config, signal, report, warm, keepFailed } = options;
  const host = await inspectHost({
    config,
    cacheDir: roots.cache,
    stateDir: paths.stateDir,
    freedMiB,
    willBuild: async (accel) => !(await imagesLookBuilt(roots.cache, l2SystemOf(config), accel)),
    signal,
  });
  const accel = assertHost(host);
  await assertSoundDisks(config, signal);
  report({ type: 'accel', accel: accel.accel, vendor: accel.vendor, why: accel.why });
  const images = await build(l2SystemOf(config), accel.accel, roots, report, signal);
  return { config, accel, images, warm, keepFailed };
}

/** The status of an instance whose QEMU had lost its daemon, and has a new one now; undefined for others. */
async function takeOver(options: BringUpOptions): Promise<InstanceStatus | undefined> {
  const { paths, roots, signal, report } = options;
  try {
    const what = await adoptIfOrphaned(paths, roots, signal);
    if (what === undefined) return undefined;
    report({ type: 'recovered', what });
    return await inspectInstance(paths, signal);
  } catch (error) {
    // What cannot be taken over is cleared away like any other broken instance.
    if (error instanceof VsbError && error.code === 'E_DAEMON') return undefined;
    throw error;
  }
}

/** A running instance is an error, a broken one is cleared away. */
async function makeWay(
  paths: InstancePaths,
  report: BringUpOptions['report'],
  signal: AbortSignal,
): Promise<void> {
  const { name, state, reason, processes } = await inspectInstance(paths, signal);
  if (isUp(state)) {
    const how = reason === undefined ? '' : ` (${state}: ${reason})`;
    throw new VsbError('E_INSTANCE_EXISTS', `instance '${name}' is up already${how}`, {
      hint: '`vsbypass console VM` opens a console of it; `vsbypass down` ends it; --name makes another one.',
    });
  }
  if (state === 'starting' || state === 'stopping') {
    throw new VsbError('E_BUSY', `instance '${name}' is ${state}, by another command`, {
      hint: 'Wait for it, or `vsbypass down`.',
    });
  }
  if (processes.daemon !== undefined && !(await exists(paths.runtimeDir))) {
    const message = `instance '${name}' runs, but cannot be reached: ${paths.runtimeDir}, with its sockets, was removed`;
    throw new VsbError('E_INSTANCE_EXISTS', message, {
      hint: `\`vsbypass --name ${name} down\` ends it, its user VMs included; then \`up\` again.`,
    });
  }
  if (state === 'broken' && (await clearBroken(paths, processes.daemon))) {
    report({
      type: 'recovered',
      what: `cleared away a broken instance (${reason ?? 'no reason known'})`,
    });
  }
}

/** Whether a build left something of each image; images/build itself knows if it is current. */
async function imagesLookBuilt(cacheDir: string, l2: L2System, accel: Accel): Promise<boolean> {
  const names = await readdir(cacheDir).catch(() => []);
  return namesIn(imageNames(l2, accel)).every((image) =>
    names.some((name) => name.startsWith(`${image}-`)),
  );
}

async function build(
  l2: L2System,
  accel: Accel,
  roots: Roots,
  report: BringUpOptions['report'],
  signal: AbortSignal,
): Promise<ImageDirectories> {
  const start = performance.now();
  report({ type: 'build', reason: 'started' });
  const images = await buildImages(l2, {
    accel,
    cacheDir: roots.cache,
    signal,
    onProgress: (line) => report({ type: 'build', reason: 'progress', line }),
  });
  report({ type: 'build', reason: 'passed', elapsedMs: performance.now() - start });
  return images;
}
