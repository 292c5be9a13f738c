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
import type { Resume } from './resume.js';
import type { Running } from './running.js';

/** Each step on its own; all of it is a matter of tens of milliseconds while the layers live. */
const stepLimitMs = 8000;

/**
 * Connects all that a boot would have connected.
 * @throws VsbError what does not answer
 */
export async function connectAdopted(running: Running, resume: Resume): Promise<void> {
  const limit = AbortSignal.timeout(2 * stepLimitMs);
  const signal = AbortSignal.any([running.failed.signal, limit]);
  await connectMachine(running, signal, stepLimitMs);
  await connectLink(running, signal, stepLimitMs);
  await openWhereItWas(running, resume.gatewayPort);
  const { irq } = running.request.config;
  // The server in L2 has ended with the daemon that it talked to. The consoles work without it.
  if (!needsServer(irq)) return;
  await setIrqMode(running, irq, signal).catch((error: unknown) => running.log(messageOf(error)));
}

/** Clients know the port; but one that is taken must not keep the consoles closed. */
async function openWhereItWas(running: Running, port: number): Promise<void> {
  try {
    await openGateway(running, port);
  } catch (error) {
    if (!(error instanceof VsbError) || error.code !== 'E_PORT_TAKEN') throw error;
    running.log(`port ${port} of the gateway is taken now: ${error.message}`);
    await openGateway(running, running.request.config.console.port);
  }
}
