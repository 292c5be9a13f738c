import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import {
  commandLineOf,
  cpuWaitMs,
  endProcess,
  identifyProcess,
  isAlive,
  processState,
  residentMiB,
  signalProcess,
} from '../../src/base/process-identity.js';

async function fakeProc(stat: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'vsb-proc-'));
  await mkdir(join(directory, '42'));
  await writeFile(join(directory, '42', 'stat'), stat);
  return directory;
}
const stat = (name: string, state: string): string =>
  `42 (${name}) ${state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21`;

describe('residentMiB', () => {
  it('is what a process has, and nothing of one that is gone', async () => {
    const directory = await fakeProc('');
    await writeFile(join(directory, '42', 'status'), 'Name:\tqemu\nVmRSS:\t 2097152 kB\n');
    expect(await residentMiB(42, directory)).toBe(2048);
    expect(await residentMiB(43, directory)).toBe(0);
    await rm(directory, { recursive: true });
  });
});

describe('cpuWaitMs', () => {
  it('is that of the thread that waited longest', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'vsb-proc-'));
    for (const [thread, waited] of [
      ['42', '1000000'],
      ['43', '7500000'],
    ] as const) {
      await mkdir(join(directory, '42/task', thread), { recursive: true });
      await writeFile(join(directory, '42/task', thread, 'schedstat'), `90000000 ${waited} 5\n`);
    }
    expect(await cpuWaitMs(42, directory)).toBe(7.5);
    await rm(directory, { recursive: true });
  });

  it('is nothing where nobody counts, or nobody is there', async () => {
    expect(await cpuWaitMs(42, '/nowhere')).toBe(0);
  });
});

describe('identifyProcess', () => {
  it('reads the start time behind a name with spaces and parentheses', async () => {
    const directory = await fakeProc(stat('a) R 0 (b', 'S'));
    expect(await identifyProcess(42, directory)).toEqual({ pid: 42, startTime: '777' });
    await rm(directory, { recursive: true });
  });

  it('takes a zombie for gone', async () => {
    const directory = await fakeProc(stat('x', 'Z'));
    expect(await identifyProcess(42, directory)).toBeUndefined();
    await rm(directory, { recursive: true });
  });
});

describe('endProcess', () => {
  it('ends one that is stopped by a signal in an orderly way, and at once', async () => {
    const script = "trap 'echo orderly; exit' TERM; echo up; while :; do sleep 0.01; done";
    const child = spawn('sh', ['-c', script]);
    const said: string[] = [];
    child.stdout.on('data', (chunk: Buffer) => said.push(String(chunk).trim()));
    await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    const identity = await identifyProcess(child.pid ?? 0);
    if (identity === undefined) throw new Error('it lives');
    await expect.poll(() => processState(identity)).toBe('T');
    const closed = once(child, 'close');
    expect(await endProcess(identity, 10_000)).toBe(true);
    await closed;
    expect(said).toEqual(['up', 'orderly']);
  });
});

describe('signalProcess', () => {
  it('spares another process with the same pid', async () => {
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    expect(await signalProcess({ pid, startTime: '1' }, 'SIGKILL')).toBe(false);
    const identity = await identifyProcess(pid);
    if (identity === undefined) throw new Error('it lives');
    expect(await isAlive(identity)).toBe(true);
    // Linux closes the files of a new program's parent, which is when it counts as spawned, before it sets its arguments.
    await expect.poll(() => commandLineOf(pid)).toBe('sleep 60');
    const closed = once(child, 'close');
    expect(await endProcess(identity, 5000)).toBe(true);
    await closed;
    expect(await isAlive(identity)).toBe(false);
  });
});
