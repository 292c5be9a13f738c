/** What the gateway adds by itself: output that it moves over loopback SSH, and the way of a key through it and back. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

import { VsbError } from '../../base/errors.js';
import { installed } from '../../base/installation.js';
import { connectGateway } from '../../console/client/gateway-client.js';
import { fingerprintOfLine } from '../../formats/keys/key-files.js';
import { ChannelEnd } from '../ends/channel-end.js';
import { expect, pause, send, type Step, type Timing } from '../ends/end.js';
import { floodEnd, floodKey, gatewayVm, type GatewayReady } from '../gateway/protocol.js';
import { between, type Random } from '../statistics/random.js';
import type { Cell } from './cell.js';

const server = installed('dist/bench/gateway/server.js');
const limitMs = 60_000;
const keysPerTurn = 50;

export interface GatewayOptions {
  /** The configuration whose gateway it is. */
  readonly configuration: string;
  readonly runs: number;
  readonly keys: number;
  readonly random: Random;
}

export function gatewayCells({ configuration, runs, keys, random }: GatewayOptions): Cell[] {
  const common = { measure: 'gateway', configuration, end: 'ssh' } as const;
  return [
    {
      ...common,
      ...{ state: 'flood', unit: 'MB/s', better: 'higher', wanted: runs, perTurn: 1 },
      guessMs: 2000,
      turn: async (signal) => [await flood(signal)],
    },
    {
      ...common,
      ...{ state: 'key', unit: 'ms', better: 'lower', wanted: keys, perTurn: keysPerTurn },
      guessMs: 3000,
      turn: async (signal) => await type(random, signal),
    },
  ];
}

/** MB/s, from asking to the last byte. */
async function flood(signal: AbortSignal): Promise<number> {
  const steps = [pause(200), send(floodKey), expect(floodEnd, limitMs)];
  const [, asked, over] = await playAtGateway(steps, signal);
  if (asked === undefined || over === undefined) throw new TypeError('all steps were played');
  return over.output.length / 1000 / (over.endMs - asked.startMs);
}

async function type(random: Random, signal: AbortSignal): Promise<number[]> {
  const keys = Array.from({ length: keysPerTurn }, () => [
    ...[pause(between(random, 10, 50)), send('x'), expect('x', limitMs)],
  ]);
  const timings = await playAtGateway([pause(200), ...keys.flat()], signal);
  return keys.map((_, key) => {
    const [, sent, echoed] = timings.slice(1 + 3 * key);
    return (echoed?.endMs ?? NaN) - (sent?.startMs ?? NaN);
  });
}

/** At a gateway of its own for each turn. */
async function playAtGateway(steps: readonly Step[], signal: AbortSignal): Promise<Timing[]> {
  signal.throwIfAborted();
  const child = fork(server, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    const [ready] = (await once(child, 'message', { signal: deadline })) as [GatewayReady];
    const end = new ChannelEnd('ssh', async () => {
      const connection = await connectGateway({
        ...{ host: '127.0.0.1', port: ready.port, vm: gatewayVm, signal },
        hostKeyFingerprint: fingerprintOfLine(ready.hostKeyLine),
        privateKeyPem: ready.privateKeyPem,
        attach: { as: 'take', replay: 'none', sanitize: false },
      });
      return {
        channel: connection.channel,
        close: async () => {
          await connection.close(5000);
        },
      };
    });
    return await end.play(steps, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof VsbError) throw error;
    throw new VsbError('E_CONSOLE_UNREACHABLE', 'the gateway did not start', { cause: error });
  } finally {
    if (child.exitCode === null) {
      child.kill();
      await Promise.race([once(child, 'exit'), delay(5000, undefined, { ref: false })]);
    }
  }
}
