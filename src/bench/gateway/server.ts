/**
 * The gateway by itself, as a process of its own like the daemon: one console that echoes what is typed at
 * once, and floods its terminal when asked to. The process ends with its parent.
 */
import { startGateway } from '../../console/gateway/gateway.js';
import type { ConsoleLink } from '../../console/hub/input-queue.js';
import { VmConsole } from '../../console/hub/vm-console.js';
import { generateKey } from '../../formats/keys/key-files.js';
import { text } from '../measures/text.js';
import { floodBytes, floodEnd, floodKey, gatewayVm, type GatewayReady } from './protocol.js';

/** More than is ever printed here: a client that is slower misses nothing. */
const historyBytes = 128 * 1024 * 1024;
/** Printed at once. */
const piece = Buffer.from(text(512).replaceAll('\n', '\r\n'));

async function serve(): Promise<void> {
  const console = new VmConsole(gatewayVm, historyBytes);
  const echo: ConsoleLink = {
    write: (_slot, _generation, bytes) => {
      if (bytes.toString('latin1') === floodKey) flood(console, floodBytes);
      else console.output(bytes);
      return true;
    },
    setAttached: () => Promise.resolve(),
    sendBreak: () => Promise.resolve(),
  };
  // Attached: input has somewhere to go.
  console.attach(echo, {
    ...{ slot: 0, generation: 1, state: 'running', hooked: true, domid: 1, uuid: undefined },
    ...{ doubtful: false, grown: false, evidence: [], outAcked: 0, outEnd: 0, inNext: 0 },
  });
  const [host, client] = [generateKey('host'), generateKey('client')];
  const gateway = await startGateway({
    hostKeyPem: host.privatePem,
    authorizedKeys: [client.publicLine],
    hub: {
      find: (name) => (name === gatewayVm ? console : undefined),
      nameOf: (name) => name,
      list: () => [console],
    },
    listen: { host: '127.0.0.1', port: 0 },
  });
  process.on('disconnect', () => process.exit());
  const ready: GatewayReady = {
    port: gateway.port,
    hostKeyLine: host.publicLine,
    privateKeyPem: client.privatePem,
  };
  process.send?.(ready);
}

/** Prints so much; the event loop has its turns in between. */
function flood(console: VmConsole, bytes: number): void {
  const now = piece.subarray(0, bytes);
  console.output(now);
  if (bytes > now.length) setImmediate(() => flood(console, bytes - now.length));
  else console.output(Buffer.from(floodEnd));
}

await serve();
