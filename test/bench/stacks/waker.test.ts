import { setTimeout as sleep } from 'node:timers/promises';

import type { ServerChannel } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Waker } from '../../../src/bench/stacks/waker.js';
import { generateKey } from '../../../src/formats/keys/key-files.js';
import type { SshTarget } from '../../../src/host/ssh.js';
import { startSshServer, type SshServer } from '../../rig/ssh-server.js';

const hostKey = generateKey('test');
let started: SshServer;
let target: SshTarget;
let command: string | undefined;
let bytes = 0;
let channel: ServerChannel | undefined;

beforeEach(async () => {
  [command, bytes, channel] = [undefined, 0, undefined];
  started = await startSshServer(hostKey.privatePem, (asked, opened) => {
    [command, channel] = [asked, opened];
    opened.on('data', (data: Buffer) => (bytes += data.length));
  });
  target = {
    ...{ layer: 'L2', host: '127.0.0.1', port: started.port },
    ...{ privateKey: generateKey('test').privatePem, hostKeyLine: hostKey.publicLine },
  };
});
afterEach(() => {
  started.server.close();
});

const atLeast = async (count: number): Promise<void> =>
  await expect.poll(() => bytes).toBeGreaterThanOrEqual(count);

describe('Waker', () => {
  it('has the other side take a byte now and then, but not while it is paused', async () => {
    const waker = await Waker.connect(target, new AbortController().signal);
    await atLeast(2);
    expect(command).toBe('exec cat >/dev/null');
    waker.pause(true);
    await sleep(50);
    const before = bytes;
    await sleep(600);
    expect(bytes).toBe(before);
    waker.pause(false);
    await atLeast(before + 2);
    waker.close();
  });

  it.each(['close', 'signal'] as const)('ends its connection by %s', async (how) => {
    const end = new AbortController();
    const waker = await Waker.connect(target, end.signal);
    await expect.poll(() => channel).toBeDefined();
    const closed = new Promise((resolve) => channel?.on('close', resolve));
    if (how === 'close') waker.close();
    else end.abort();
    await closed;
    waker.close();
  });

  it('survives the end of the other side', async () => {
    const waker = await Waker.connect(target, new AbortController().signal);
    await atLeast(1);
    channel?.end();
    channel?.close();
    // Two of its bytes go nowhere.
    await sleep(600);
    waker.close();
  });
});
