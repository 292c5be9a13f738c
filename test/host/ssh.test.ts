import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

import ssh2, { type Server } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { hostKeyIn } from '../../src/formats/keys/host-key.js';
import { generateKey } from '../../src/formats/keys/key-files.js';
import { openRemote, runRemote, shellQuote, type SshTarget } from '../../src/host/ssh.js';
import { answerInput, startSshServer } from '../rig/ssh-server.js';

const hostKey = generateKey('test');
const clientKey = generateKey('test');

let server: Server;
let target: SshTarget;
let complaint: string;

/** A server that runs nothing: it answers with the command and what it was sent. */
beforeEach(async () => {
  complaint = 'complaint';
  const started = await startSshServer(hostKey.privatePem, (command, channel) => {
    if (command === 'hang') return;
    answerInput(channel, (input) => ({
      stdout: `${command}:${input.toString()}`,
      stderr: complaint,
      code: command === 'fail' ? 3 : 0,
    }));
  });
  server = started.server;
  target = {
    layer: 'L2',
    host: '127.0.0.1',
    port: started.port,
    privateKey: clientKey.privatePem,
    hostKeyLine: hostKey.publicLine,
  };
});
afterEach(() => {
  server.close();
});

/** SSH_MSG_DISCONNECT in a packet as it is before keys are exchanged (RFC 4253, 6 and 11.1). */
function disconnect(description: string): Buffer {
  const text = Buffer.from(description);
  const payload = Buffer.alloc(5 + 4 + text.length + 4);
  payload.writeUInt8(1);
  payload.writeUInt32BE(2, 1);
  payload.writeUInt32BE(text.length, 5);
  text.copy(payload, 9);
  const padding = 12 - ((5 + payload.length + 4) % 8);
  const header = Buffer.alloc(5);
  header.writeUInt32BE(1 + payload.length + padding);
  header.writeUInt8(padding, 4);
  return Buffer.concat([header, payload, Buffer.alloc(padding)]);
}

describe('runRemote', () => {
  it('returns output, complaints and exit code', async () => {
    const result = await runRemote(target, 'fail', { stdin: 'input' });
    expect({ ...result, stdout: result.stdout.toString() }).toEqual({
      code: 3,
      stdout: 'fail:input',
      stderr: 'complaint',
    });
  });

  it('quotes its complaints in one short line that commands no terminal', async () => {
    complaint = `vm: \x1b]52;c;ZXZpbA==\x07no\r\nsuch VM\n${'x'.repeat(5000)}`;
    const { stderr } = await runRemote(target, 'fail');
    expect(stderr).toMatch(/^vm: no; such VM; x+$/);
    expect(stderr.length).toBeLessThanOrEqual(1000);
  });

  it('quotes what it is disconnected with likewise, before any key is checked', async () => {
    const liar = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(
        Buffer.concat([Buffer.from('SSH-2.0-liar\r\n'), disconnect('\x1b]0;x\x07no\r\n')]),
      );
    });
    liar.listen(0, '127.0.0.1');
    await once(liar, 'listening');
    const { port } = liar.address() as AddressInfo;
    const message = 'management of L2 by SSH: no';
    await expect(runRemote({ ...target, port }, 'x')).rejects.toMatchObject({ message });
    const { signal } = new AbortController();
    await expect(openRemote({ ...target, port }, 'x', { signal })).rejects.toMatchObject({
      message,
    });
    liar.close();
  });

  it('refuses a server with another host key', async () => {
    const other = generateKey('test').publicLine;
    await expect(runRemote({ ...target, hostKeyLine: other }, 'x')).rejects.toMatchObject({
      code: 'E_SSH',
      exitCode: 4,
      message: expect.stringContaining('another host key') as string,
    });
  });

  it('has a server with several keys show the one that is known', async () => {
    const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 });
    const other = await startSshServer([hostKey.privatePem, rsa.private], (command, channel) =>
      answerInput(channel, () => ({ stdout: command })),
    );
    const { port } = other;
    const hostKeyLine = hostKeyIn(rsa.public);
    const result = await runRemote({ ...target, port, hostKeyLine }, 'x');
    expect(result.stdout.toString()).toBe('x');
    other.server.close();
  });

  it.each(['garbage', clientKey.publicLine])(
    'says of a key that it cannot use it: %s',
    async (key) => {
      const failed = { code: 'E_SSH', layer: 'L2' };
      await expect(runRemote({ ...target, privateKey: key }, 'x')).rejects.toMatchObject(failed);
      const signal = AbortSignal.timeout(10_000);
      const opened = openRemote({ ...target, privateKey: key }, 'x', { signal });
      await expect(opened).rejects.toMatchObject(failed);
    },
  );

  it('gives up at its deadline', async () => {
    await expect(runRemote(target, 'hang', { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'E_SSH',
      message: expect.stringContaining('did not end') as string,
    });
  });

  it('gives up with the reason of the signal', async () => {
    const abort = new AbortController();
    const running = runRemote(target, 'hang', { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });

  it('says that nobody listens', async () => {
    await expect(runRemote({ ...target, port: 1 }, 'x')).rejects.toMatchObject({ code: 'E_SSH' });
  });
});

describe('shellQuote', () => {
  it('keeps a word one word', () => {
    expect(shellQuote(`a'b $c`)).toBe(`'a'\\''b $c'`);
  });
});
