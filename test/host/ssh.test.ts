import type { Server } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { generateKey } from '../../src/formats/keys/key-files.js';
import { runRemote, shellQuote, type SshTarget } from '../../src/host/ssh.js';
import { answerInput, startSshServer } from '../rig/ssh-server.js';

const hostKey = generateKey('test');
const clientKey = generateKey('test');

let server: Server;
let target: SshTarget;

/** A server that runs nothing: it answers with the command and what it was sent. */
beforeEach(async () => {
  const started = await startSshServer(hostKey.privatePem, (command, channel) => {
    if (command === 'hang') return;
    answerInput(channel, (input) => ({
      stdout: `${command}:${input.toString()}`,
      stderr: 'complaint',
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
