/**
 * Takes a living machine over whose daemon is gone. Its sockets take a new connection each, and L1 has kept what
 * was not acknowledged: nothing that its ring holds is lost. What the old daemon had in memory is: the history
 * and the sessions.
 */
import { messageOf, VsbError } from '../base/errors.js';
import { needsServer } from '../config/interrupts.js';
import { connectLink } from './connect-link.js';
import { connectMachine } from './connect-machine.js';
import { setIrqMode } from './interrupts.js';
import { openGateway } from './open-gateway.js';
import type { Adoptable } from './resume.js';
import type { Running } from './running.js';

/** Each step on its own; all of it is a matter of tens of milliseconds while the layers live. */
const stepLimitMs = 8000;

/**
 * Connects all that a boot would have connected.
 *
 * @returns what was done, one sentence for people
 * @throws VsbError what does not answer
 */
export async function connectAdopted(
  running: Running,
  { make, qemu, resume }: Adoptable,
): Promise<string> {
  const limit = AbortSignal.timeout(2 * stepLimitMs);
  const signal = AbortSignal.any([running.failed.signal, limit]);
  // Neither the access to a system of the user's own nor a server in L2 is needed for the consoles.
  const complain = (error: unknown): void => running.log(messageOf(error));
  await connectMachine(running, signal, stepLimitMs, complain);
  await connectLink(running, signal, stepLimitMs);
  const port = await openWhereItWas(running, resume.gatewayPort);
  const { irq } = running.request.config;
  // The server in L2 has ended with the daemon that it talked to.
  if (needsServer(irq)) await setIrqMode(running, irq, signal).catch(complain);
  const moved =
    port === resume.gatewayPort
      ? ''
      : `; its consoles are at port ${port} now, port ${resume.gatewayPort} is taken`;
  return `took over ${make} (pid ${qemu.pid}), whose daemon was gone${moved}`;
}

/**
 * Clients know the port; but one that is taken, fixed by the configuration or not, must not keep the consoles of VMs closed
 * that live.
 *
 * @returns the port
 */
async function openWhereItWas(running: Running, port: number): Promise<number> {
  try {
    return await openGateway(running, port);
  } catch (error) {
    if (!(error instanceof VsbError) || error.code !== 'E_PORT_TAKEN') throw error;
    running.log(error.message);
    return await openGateway(running, 0);
  }
}
