/** Which ports of this host QEMU forwards to the SSH servers of L1 and L2. */
import { VsbError } from '../../base/errors.js';

/**
 * Reads the answer of QEMU's `info usernet` (there is no QMP command for it) and finds the free loopback
 * port that it took for one inside.
 *
 * @throws VsbError E_QMP when there is none
 */
export function forwardedPort(usernet: string, address: string, port: number): number {
  for (const line of usernet.split('\n')) {
    const fields = line.trim().split(/\s+/);
    // TCP[HOST_FORWARD]  13  127.0.0.1 33587  10.0.2.15  22  0  0
    const [protocol, , sourceAddress, sourcePort, targetAddress, targetPort] = fields;
    if (
      protocol === 'TCP[HOST_FORWARD]' &&
      sourceAddress === '127.0.0.1' &&
      targetAddress === address &&
      targetPort === String(port)
    ) {
      const free = Number(sourcePort);
      if (Number.isInteger(free) && free > 0) return free;
    }
  }
  throw new VsbError('E_QMP', `QEMU forwards no port to ${address}:${port}`, { layer: 'L0' });
}
