import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import ssh2, { type Server } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { generateKey } from '../../src/formats/keys/key-files.js';
import { runRemote, shellQuote, type SshTarget } from '../../src/host/ssh.js';

const hostKey = generateKey('test');
const clientKey = generateKey('test');

let server: Server;
let target: SshTarget;

/** A server that runs nothing: it answers with the command and what it was sent. */
beforeEach(async () => {
  server = new ssh2.Server({ hostKeys: [hostKey.privatePem] }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => {
      if (context.method === 'publickey') context.accept();
      else context.reject(['publickey']);
    });
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _, { command }) => {
        const channel = acceptExec();
        if (command === 'hang') return;
        const input: Buffer[] = [];
        channel.on('data', (chunk: Buffer) => input.push(chunk));
        channel.on('end', () => {
          channel.write(`${command}:${Buffer.concat(input).toString()}`);
          channel.stderr.write('complaint');
          channel.exit(command === 'fail' ? 3 : 0);
          channel.end();
        });
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  target = {
    layer: 'L2',
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    privateKey: clientKey.privatePem,
    hostKeyLine: hostKey.publicLine,
  };
});
afterEach(() => {
  server.close();
});

describe('runRemote', () => {
  it('returns output, complaints and exit code', async () => {
    const result = await runRemote(target, 'fail', { stdin: 'input' });
    expect({ ...result, stdout: result.stdout.toString() }).toEqual({
      code: 3,
      stdout: 'fail:input',
      stderr: 'complaint',
    });
  });

  it('refuses a server with another host key', async () => {
    const other = generateKey('test').publicLine;
    await expect(runRemote({ ...target, hostKeyLine: other }, 'x')).rejects.toMatchObject({
      code: 'E_SSH',
      exitCode: 4,
      message: expect.stringContaining('another host key') as string,
    });
  });

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
