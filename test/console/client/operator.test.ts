/** The operator's console against an SSH server that plays L2. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';

import type { Server, ServerChannel } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { connectOperator, warnNotSecure } from '../../../src/console/client/operator.js';
import { interactByScript } from '../../../src/console/dialogue/at-console.js';
import { parseExpectPattern } from '../../../src/console/dialogue/script.js';
import { generateKey } from '../../../src/formats/keys/key-files.js';
import type { SshTarget } from '../../../src/host/ssh.js';
import { startSshServer } from '../../rig/ssh-server.js';

const hostKey = generateKey('host');
const clientKey = generateKey('client');
const signal = new AbortController().signal;

let server: Server;
let l2: SshTarget;
let command: string;
let vmConsole: (channel: ServerChannel) => void;

beforeEach(async () => {
  const started = await startSshServer(hostKey.privatePem, (asked, channel) => {
    command = asked;
    vmConsole(channel);
  });
  server = started.server;
  l2 = {
    layer: 'L2',
    host: '127.0.0.1',
    port: started.port,
    privateKey: clientKey.privatePem,
    hostKeyLine: hostKey.publicLine,
  };
  vmConsole = (channel) => {
    channel.write('vm1 login: ');
    channel.on('data', (bytes: Buffer) => channel.write(`[${bytes.toString()}]`));
    channel.on('end', () => {
      channel.exit(0);
      channel.end();
    });
  };
});
afterEach(() => {
  server.close();
});

function sink(): PassThrough & { text: string } {
  const stream = Object.assign(new PassThrough(), { text: '' });
  stream.on('data', (bytes: Buffer) => (stream.text += bytes.toString()));
  return stream;
}

describe('connectOperator', () => {
  it("runs a script at the socket of the VM's serial port", async () => {
    const connection = await connectOperator({ l2, vm: 'vm1', history: 'none', signal });
    const [stdout, stderr] = [sink(), sink()];
    const code = await interactByScript(connection, {
      ...{ stdout, stderr, signal, stripAnsi: false },
      steps: [
        { type: 'expect', pattern: parseExpectPattern('login: $'), timeoutMs: 5000 },
        { type: 'send', bytes: Buffer.from('root') },
        { type: 'expect', pattern: parseExpectPattern('\\[root\\]'), timeoutMs: 5000 },
      ],
    });
    expect(code).toBe(0);
    expect(stdout.text).toBe('vm1 login: [root]');
    expect(command).toBe("exec vm console 'vm1'");
  });

  it('shows what QEMU has logged when the history is wanted', async () => {
    const connection = await connectOperator({ l2, vm: 'vm1', history: 'all', signal });
    expect(command).toMatch(/^cat '\/var\/log\/vm\/vm1\.console'; exec vm console /);
    connection.destroy();
  });

  it('types nothing for one who only looks on, and says so once', async () => {
    let typed = '';
    vmConsole = (channel) => {
      channel.on('data', (bytes: Buffer) => (typed += bytes.toString()));
      channel.on('end', () => {
        channel.exit(0);
        channel.end();
      });
      channel.write('login: ');
    };
    const connection = await connectOperator({
      ...{ l2, vm: 'vm1', history: 'none', signal },
      restrict: { as: 'watch', sanitize: false },
    });
    const notices: string[] = [];
    connection.onNotice((text) => notices.push(text));
    const [output] = (await once(connection.channel, 'data')) as [Buffer];
    connection.channel.write('\x1b[1;1R');
    expect(notices).toEqual([]);
    connection.channel.write('root\r');
    connection.channel.write('root\r');
    expect(await connection.close(5000)).toBe(true);
    expect(output.toString()).toBe('login: ');
    expect(typed).toBe('');
    expect(notices).toEqual(['\r\n[vsbypass: not typed: this session only looks on]\r\n']);
  });

  it('leaves out what attacks a terminal where that was asked for, and always of what L2 says beside it', async () => {
    const copy = '\x1b]52;c;ZXZpbA==\x07';
    vmConsole = (channel) => {
      channel.stderr.write(`socat: ${copy}gone\n`);
      channel.write(`\x1b[1mlog${copy.slice(0, 7)}`);
      channel.write(`${copy.slice(7)}in: `);
      channel.exit(1);
      channel.end();
    };
    for (const sanitize of [true, false]) {
      const connection = await connectOperator({
        ...{ l2, vm: 'vm1', history: 'none', signal },
        restrict: { as: 'auto', sanitize },
      });
      const [shown, notices] = [sink(), sink()];
      connection.channel.pipe(shown);
      connection.onNotice((text) => notices.write(text));
      await connection.closed;
      expect(shown.text).toBe(sanitize ? '\x1b[1mlogin: ' : `\x1b[1mlog${copy}in: `);
      expect(notices.text).toBe('socat: gone\r\n');
      expect(() => connection.checkEnd()).toThrow(/: socat: gone$/);
    }
  });

  it('passes all of a long output on, as fast as it is taken', async () => {
    const long = Buffer.alloc(2_000_000, 'output ');
    vmConsole = (channel) => {
      channel.end(long);
    };
    const connection = await connectOperator({
      ...{ l2, vm: 'vm1', history: 'none', signal },
      restrict: { as: 'auto', sanitize: true },
    });
    let bytes = 0;
    for await (const chunk of connection.channel as AsyncIterable<Buffer>) bytes += chunk.length;
    expect(bytes).toBe(long.length);
  });

  it('says why it ended', async () => {
    vmConsole = (channel) => {
      channel.stderr.write('vm: No such file or directory\n');
      channel.exit(1);
      channel.end();
    };
    const connection = await connectOperator({ l2, vm: 'vm1', history: 'none', signal });
    connection.channel.resume();
    await connection.closed;
    expect(() => connection.checkEnd()).toThrow(/No such file or directory/);
  });

  it('refuses another host key', async () => {
    const other = generateKey('other').publicLine;
    const target = { ...l2, hostKeyLine: other };
    await expect(
      connectOperator({ l2: target, vm: 'vm1', history: 'none', signal }),
    ).rejects.toMatchObject({
      code: 'E_SSH',
    });
  });

  it('does not outlive its signal', async () => {
    const abort = new AbortController();
    const connection = await connectOperator({
      ...{ l2, vm: 'vm1', history: 'none' },
      signal: abort.signal,
    });
    abort.abort();
    await connection.closed;
  });
});

describe('warnNotSecure', () => {
  it('is red on a terminal, unless colours are not wanted', async () => {
    const terminal = Object.assign(sink(), { isTTY: true });
    await warnNotSecure(terminal, { TERM: 'xterm' }, 'vm1');
    expect(terminal.text).toContain('\x1b[31mvsbypass: NOT SECURE');
    const plain = Object.assign(sink(), { isTTY: true });
    await warnNotSecure(plain, { TERM: 'xterm', NO_COLOR: '1' }, 'vm1');
    expect(plain.text).toMatch(/^vsbypass: NOT SECURE/);
  });
});
