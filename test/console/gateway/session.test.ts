/** What a session shows and types, from its first byte to its end, by ssh2's client. */
import type { default as ssh2, ClientChannel } from 'ssh2';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { ConsoleRig, read } from '../../rig/console-rig.js';
import { eventually } from '../../rig/eventually.js';
import { uuid1 } from '../../rig/hub-rig.js';
import { pattern } from '../../rig/pattern.js';

let rig: ConsoleRig;

beforeEach(async () => {
  rig = await ConsoleRig.start();
});

afterEach(async () => {
  await rig.stop();
});

test('a session shows the history from the first byte, then what comes, and types raw bytes', async () => {
  rig.vm.print('SeaBIOS\r\n');
  await eventually(() => expect(rig.hub.vm('vm1')?.history.end).toBe(9));
  const channel = await rig.shell(await rig.login());
  expect(String(await read(channel, 9))).toBe('SeaBIOS\r\n');
  rig.vm.print('login: ');
  expect(String(await read(channel, 7))).toBe('login: ');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  channel.write(bytes);
  expect((await rig.vm.inputReached(256)).equals(bytes)).toBe(true);
  expect(rig.gateway.sessions()).toMatchObject([{ vm: 'vm1', key: 'alice' }]);
});

test('a session can leave the history out', async () => {
  rig.vm.print('old');
  await eventually(() => expect(rig.hub.vm('vm1')?.history.end).toBe(3));
  const channel = await rig.exec(await rig.login(), 'attach none');
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  rig.vm.print('new');
  expect(String(await read(channel, 3))).toBe('new');
});

test('100 kB pass intact in both directions at the same time', async () => {
  const channel = await rig.shell(await rig.login());
  const bytes = pattern(100_000);
  rig.vm.print(bytes);
  channel.write(bytes);
  const [out, input] = await Promise.all([
    read(channel, bytes.length),
    rig.vm.inputReached(bytes.length),
  ]);
  expect(out.equals(bytes)).toBe(true);
  expect(input.equals(bytes)).toBe(true);
});

test('a client that does not read delays neither the VM nor another client', async () => {
  const stalled = await rig.shell(await rig.login());
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  const other = await rig.shell(await rig.login());
  // More than ssh2's client takes without being read (4 MiB), and the history besides.
  const bytes = pattern(5_200_000);
  for (let at = 0; at < bytes.length; at += 100_000) {
    rig.vm.print(bytes.subarray(at, at + 100_000));
    await read(other, 100_000);
  }
  await eventually(() => expect(rig.vm.sender.buffered).toBe(0));
  let notices = '';
  stalled.stderr.on('data', (part: Buffer) => (notices += part.toString()));
  stalled.resume();
  await vi.waitFor(() =>
    expect(notices).toMatch(/\[vsbypass: \d+ bytes of output were missed here\]/),
  );
});

test('an RFC 4335 break request arrives as a BREAK, and only there', async () => {
  const client = await rig.login();
  const channel = await rig.shell(client);
  rig.vm.print('x');
  await read(channel, 1);
  sendBreakRequest(client, channel);
  await rig.vm.requested('break');
  expect(rig.vm.input.length).toBe(0);
});

/** SSH_MSG_CHANNEL_REQUEST "break", without a wish for a reply, 500 ms; ssh2 has no call for it. */
function sendBreakRequest(client: ssh2.Client, channel: ClientChannel): void {
  const { outgoing } = channel as unknown as { outgoing: { id: number } };
  const protocol = (client as unknown as { _protocol: PacketWriter })._protocol;
  const packet = Buffer.alloc(1 + 4 + 4 + 5 + 1 + 4);
  packet.writeUInt8(98, 0);
  packet.writeUInt32BE(outgoing.id, 1);
  packet.writeUInt32BE(5, 5);
  packet.write('break', 9);
  packet.writeUInt32BE(500, 15);
  const { allocStart } = protocol._packetRW.write;
  const framed = protocol._packetRW.write.alloc(packet.length);
  packet.copy(framed, allocStart);
  protocol._cipher.encrypt(protocol._packetRW.write.finalize(framed));
}

interface PacketWriter {
  _packetRW: {
    write: { allocStart: number; alloc(n: number): Buffer; finalize(p: Buffer): Buffer };
  };
  _cipher: { encrypt(packet: Buffer): void };
}

test('a session ends when its VM is gone for good, when the client is done, and when the gateway closes', async () => {
  const done = await rig.shell(await rig.login());
  rig.vm.print('bye');
  done.end();
  expect(await rig.ending(done)).toMatchObject({ status: 0 });
  const orphan = await rig.shell(await rig.login());
  const orphaned = rig.ending(orphan);
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  rig.vm.update({ state: 'gone' });
  expect(await orphaned).toMatchObject({
    status: 4,
    notices: expect.stringContaining("VM 'vm1' is gone") as string,
  });
  rig.l1.addVm({ uuid: uuid1, generation: 2 });
  const last = rig.ending(await rig.shell(await rig.login()));
  await eventually(() => expect(rig.gateway.sessions()).toHaveLength(1));
  await rig.gateway.close();
  expect(await last).toMatchObject({ status: 4 });
  expect(rig.gateway.sessions()).toEqual([]);
});

test('what is typed and printed never reaches the log', async () => {
  const channel = await rig.shell(await rig.login());
  rig.vm.print('printed-canary');
  await read(channel, 14);
  channel.write('typed-canary\r');
  await rig.vm.inputReached(13);
  channel.end();
  await rig.ending(channel);
  expect(JSON.stringify(rig.events)).not.toMatch(/canary/);
  expect(rig.events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['listening', 'auth-accepted', 'session-opened', 'session-closed']),
  );
});
