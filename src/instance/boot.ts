/** Boots an instance: its daemon is started and told to. */
import { waitUntilGone } from '../base/process-identity.js';
import type { Parameters } from '../contract/control.js';
import type { InstanceStatus } from '../contract/status.js';
import type { UpEvent } from '../contract/events.js';
import type { InstancePaths } from '../state/paths.js';
import type { Roots } from '../state/roots.js';
import { readProcesses } from '../state/record.js';
import { callDaemon } from './client.js';
import { startDaemon } from './start.js';

/** How long an interrupted boot waits for the daemon to clean up. */
const cleanUpLimitMs = 20_000;

export interface BootTarget {
  readonly paths: InstancePaths;
  readonly roots: Roots;
  readonly request: Parameters<'up'>;
}

/**
 * @throws VsbError E_BUSY, E_DAEMON; a failed layer (exit 4); the signal's reason, when nothing is left
 *   running
 */
export async function bootInstance(
  { paths, roots, request }: BootTarget,
  options: { readonly signal: AbortSignal; readonly report: (event: UpEvent) => void },
): Promise<InstanceStatus> {
  const { signal, report } = options;
  const recovered = await startDaemon(paths, roots, signal);
  if (recovered !== undefined) report({ type: 'recovered', what: recovered });
  const { daemon } = await readProcesses(paths);
  try {
    return await callDaemon(paths.controlSocket, 'up', request, { signal, onEvent: report });
  } catch (error) {
    // The daemon undoes the boot and ends; the command ends after it, so that nothing is left running.
    if (daemon !== undefined) await waitUntilGone(daemon, cleanUpLimitMs);
    throw error;
  }
}
