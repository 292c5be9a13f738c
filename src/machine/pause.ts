/** Stops the machine, and lets it go on. Where it cannot be stopped at any moment, L1 is asked to run no guest meanwhile. */
import { messageOf } from '../base/errors.js';
import type { Running } from './running.js';

type Stoppable = Pick<Running, 'machine' | 'link' | 'log'>;

/** More than it takes to stop after L1's answer; L1's clock stands still with the machine. */
const holdMs = 1000;

/**
 * Stops all virtual CPUs and the guests' clock.
 * @throws VsbError E_QMP, E_QMP_CLOSED; the signal's reason
 */
export async function stopMachine(running: Stoppable, signal: AbortSignal): Promise<void> {
  await hold(running, holdMs);
  await running.machine.stop(signal);
}

/**
 * Lets it go on, also one that was not stopped.
 * @throws VsbError E_QMP, E_QMP_CLOSED
 */
export async function continueMachine(running: Stoppable): Promise<void> {
  await running.machine.continue();
  await hold(running, 0);
}

/** Without an answer the machine can still be stopped, at some risk; without a release L1 waits for a second. */
async function hold(running: Stoppable, milliseconds: number): Promise<void> {
  if (!running.machine.stopsBetweenGuestsOnly) return;
  await running.link
    ?.hold(milliseconds)
    .catch((error: unknown) => running.log(`L1 was not held: ${messageOf(error)}`));
}
