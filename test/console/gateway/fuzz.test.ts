/**
 * Malformed SSH, before and after key exchange and login: whatever a client sends, the gateway goes on and
 * nobody else notices. An exception that nobody catches fails the run.
 */
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';

import * as fc from 'fast-check';
import type { Client, ClientChannel } from 'ssh2';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { ConsoleRig } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';

let rig: ConsoleRig;
let witness: ClientChannel;

beforeEach(async () => {
  rig = await ConsoleRig.start({
    limits: { connectionBurst: 10_000, maxUnauthenticated: 1000, loginGraceMs: 2000 },
  });
  rig.vm.onInput = (bytes) => rig.vm.print(bytes);
  witness = await rig.exec(await rig.login(), 'attach none');
});

afterEach(async () => {
  await rig.stop();
});

/** Somebody who was there before still types and sees the echo. */
async function othersAreFine(): Promise<void> {
  const echoed = once(witness, 'data', { signal: AbortSignal.timeout(5000) });
  witness.write('k');
  expect(String((await echoed)[0])).toBe('k');
}

test('garbage in the place of a key exchange', async () => {
  const start = fc.constantFrom('', 'SSH-2.0-x\r\n', 'SSH-2.0-OpenSSH_9.2\r\n', 'SSH-1.5-x\r\n');
  const packet = fc
    .tuple(fc.nat(64), fc.nat(20), fc.nat(255), fc.uint8Array({ maxLength: 64 }))
    .map(([length, padding, type, body]) => {
      const bytes = Buffer.alloc(6 + body.length);
      bytes.writeUInt32BE(length, 0);
      bytes[4] = padding;
      bytes[5] = type;
      bytes.set(body, 6);
      return bytes;
    });
  const junk = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  await fc.assert(
    fc.asyncProperty(
      start,
      fc.array(fc.oneof(packet, junk), { maxLength: 5 }),
      async (hello, parts) => {
        const socket = connectTcp(rig.gateway.port, '127.0.0.1');
        socket.on('error', () => {});
        socket.resume();
        socket.end(Buffer.concat([Buffer.from(hello), ...parts]));
        await once(socket, 'close');
      },
    ),
    { numRuns: 150 },
  );
  await othersAreFine();
  expect(rig.gateway.sessions()).toHaveLength(1);
}, 60_000);

/** Sends any message, with the encryption that the connection has by then. */
function sendMessage(client: Client, type: number, body: Uint8Array): void {
  const protocol = (client as unknown as { _protocol: PacketWriter })._protocol;
  const { allocStart } = protocol._packetRW.write;
  const framed = protocol._packetRW.write.alloc(1 + body.length);
  framed[allocStart] = type;
  framed.set(body, allocStart + 1);
  protocol._cipher.encrypt(protocol._packetRW.write.finalize(framed));
}

interface PacketWriter {
  _packetRW: {
    write: { allocStart: number; alloc(n: number): Buffer; finalize(p: Buffer): Buffer };
  };
  _cipher: { encrypt(packet: Buffer): void };
}

const text = fc.constantFrom(
  ...['session', 'direct-tcpip', 'pty-req', 'shell', 'exec', 'break', 'signal', 'env', 'x11-req'],
  ...[
    'window-change',
    'subsystem',
    'auth-agent-req@openssh.com',
    'publickey',
    'vm1',
    'ssh-connection',
  ],
);
const field = fc.oneof(
  text.map((value) => Buffer.concat([uint32(value.length), Buffer.from(value)])),
  fc.integer({ min: 0, max: 0xffffffff }).map(uint32),
  fc.constantFrom(0, 1, 2, 4).map(uint32),
  fc.boolean().map((value) => Buffer.of(value ? 1 : 0)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
);
const message = fc.tuple(
  fc.oneof(
    fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 20, 21, 30, 31, 50, 60, 61, 80, 81, 82),
    fc.integer({ min: 90, max: 100 }),
    fc.nat(255),
  ),
  fc.array(field, { maxLength: 6 }).map((fields) => Buffer.concat(fields)),
);

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

test('any messages after the login, with and without a session', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(message, { minLength: 1, maxLength: 8 }),
      async (open, messages) => {
        const client = await rig.login();
        const closed = new Promise<void>((resolve) => client.on('close', () => resolve()));
        if (open) await rig.exec(client, 'watch none', { pty: { cols: 80, rows: 24 } });
        try {
          for (const [type, body] of messages) sendMessage(client, type, body);
        } catch {
          // Our own side may have been cut already.
        }
        client.end();
        const timer = setTimeout(() => client.destroy(), 50);
        await closed;
        clearTimeout(timer);
      },
    ),
    { numRuns: 150 },
  );
  await othersAreFine();
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
}, 60_000);

test('exec requests of any kind are refused or answered, and nothing is typed by them', async () => {
  const words = fc.constantFrom(
    ...[
      'attach',
      'watch',
      'take',
      'write',
      'who',
      'status',
      'history',
      'break',
      'size',
      'help',
      'json',
    ],
    ...[
      'screen',
      'lines',
      'none',
      'sanitize',
      't',
      ';',
      '$(id)',
      '\n',
      '\x00',
      '\x1b[2J',
      'ä',
      '-x',
    ],
  );
  const client = await rig.login();
  const typed = rig.vm.input.length;
  await fc.assert(
    fc.asyncProperty(fc.array(words, { maxLength: 6 }), async (parts) => {
      // These are to type, or to send a BREAK; what they do is tested elsewhere.
      fc.pre(!parts.some((part) => ['break', 'size'].includes(part)));
      const channel = await rig.exec(client, parts.join(' ')).catch(() => undefined);
      if (channel === undefined) return;
      channel.resume();
      channel.close();
      await once(channel, 'close');
    }),
    { numRuns: 200 },
  );
  expect(rig.vm.input.length).toBe(typed);
  const console = rig.hub.vm('vm1');
  await eventually(() => expect(console?.sessionCount).toBe(1));
}, 60_000);
