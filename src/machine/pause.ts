/**
 * Stops the machine, and lets it go on.
 *
 * TCG of QEMU 7.2 cannot be stopped at any moment: helper_vmrun() leaves the vector of an interrupt that it has injected as the
 * pending exception (target/i386/tcg/sysemu/svm_helper.c), and a request to leave the execution loop delivers that once more
 * instead (cpu_handle_interrupt() in accel/tcg/cpu-exec.c). The guest takes an interrupt with its interrupts off, and
 * pause_all_vcpus() waits for a virtual CPU that was told once and has not heard. So L1 is asked to run no guest meanwhile.
 */
import { messageOf } from '../base/errors.js';
import type { Running } from './running.js';

type Machine = Pick<Running, 'qmp' | 'link' | 'request' | 'log'>;

/** More than it takes QEMU to stop after L1's answer; L1's clock stands still with the machine. */
const holdMs = 1000;

/**
 * Stops all virtual CPUs and the guests' clock.
 * @throws VsbError E_QMP, E_QMP_CLOSED; the signal's reason
 */
export async function stopMachine(machine: Machine, signal: AbortSignal): Promise<void> {
  await hold(machine, holdMs);
  await machine.qmp?.execute('stop', {}, { signal });
}

/**
 * Lets it go on, also one that was not stopped.
 * @throws VsbError E_QMP, E_QMP_CLOSED
 */
export async function continueMachine(machine: Machine): Promise<void> {
  await machine.qmp?.execute('cont');
  await hold(machine, 0);
}

/** Without an answer the machine can still be stopped, at some risk; without a release L1 waits for a second. */
async function hold(machine: Machine, milliseconds: number): Promise<void> {
  if (machine.request.accel.accel !== 'tcg') return;
  await machine.link
    ?.hold(milliseconds)
    .catch((error: unknown) => machine.log(`L1 was not held: ${messageOf(error)}`));
}
