/** Opens the SSH gateway to the consoles, with the list of keys that may use them and the audit log. */
import { startGateway } from '../console/gateway/gateway.js';
import type { VmConsole } from '../console/hub/vm-console.js';
import type { Watched } from '../contract/watched.js';
import { RotatingLog } from '../state/logs/rotating-log.js';
import { ConsoleAccess } from './console-access.js';
import { loopback, type Running } from './running.js';

/**
 * @param port to listen on; 0 takes a free one
 * @returns the port that it listens on
 * @throws VsbError as startGateway does
 */
export async function openGateway(running: Running, port: number): Promise<number> {
  const { paths, request, secrets, hub, log } = running;
  const { config } = request;
  // Who attached when to what, and never what was typed or printed.
  const audit = new RotatingLog(paths.auditLog, { encoding: 'utf8' });
  running.failed.signal.addEventListener('abort', () => setImmediate(() => audit.close()), {
    once: true,
  });
  const report = (event: unknown): void => audit.write([JSON.stringify(event)]);
  const onWatched = ({ name }: VmConsole, change: Watched): void =>
    report({ type: 'watched', vm: name, ...change });
  hub.on('vm-watched', onWatched);
  try {
    const access = await ConsoleAccess.load(paths, config, log, report);
    running.access = access;
    running.gateway = await startGateway({
      hostKeyPem: secrets.consoleHost.privatePem,
      authorizedKeys: [`${secrets.client.publicLine} owner`],
      access: access.list,
      authorities: access.authorities,
      hub,
      listen: { host: loopback, port },
      limits: { idleMs: config.console.idleSeconds * 1000 },
      log: report,
    });
    return running.gateway.port;
  } catch (error) {
    // Another attempt, at another port, reports by itself.
    hub.off('vm-watched', onWatched);
    throw error;
  }
}
