// A gateway of the compiled program in a process of its own, over the link's socket of a fake L1; says its port,
// and its resident memory (bytes) and CPU time (microseconds) when asked.
/* global AbortSignal */
import { ConsoleHub } from '../dist/console/hub/hub.js';
import { startGateway } from '../dist/console/gateway/gateway.js';
import { Link } from '../dist/link/index.js';

const { linkSocket, hostKeyPem, authorizedKey } = JSON.parse(process.argv[2]);

const hub = new ConsoleHub({ nameOf: () => 'vm1' });
const link = await Link.connect(linkSocket, {
  signal: AbortSignal.timeout(10_000),
  timeoutMs: 5000,
});
hub.attachLink(link);
const gateway = await startGateway({
  hostKeyPem,
  authorizedKeys: [authorizedKey],
  hub,
  listen: { host: '127.0.0.1', port: 0 },
});
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ rss: process.memoryUsage.rss(), cpu: user + system });
});
process.on('disconnect', () => process.exit());
process.send({ port: gateway.port });
