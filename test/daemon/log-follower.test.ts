import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { LogFollower } from '../../src/daemon/log-follower.js';

let directory: string;
let path: string;
let follower: LogFollower;
const signal = (): AbortSignal => AbortSignal.timeout(10_000);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-log-'));
  path = join(directory, 'log');
  await writeFile(path, 'first\r\n');
  follower = await LogFollower.open(path);
});
afterEach(async () => {
  await follower.close();
  await rm(directory, { recursive: true, force: true });
});

describe('LogFollower.expect', () => {
  it('finds a line that was there before, and one that comes', async () => {
    const first = follower.expect((line) => line === 'first');
    const marker = follower.expect((line) => line.includes('ready'));
    expect(await first(signal())).toBe('first');
    const found = marker(signal());
    await appendFile(path, 'vsbypass-l1: ');
    await appendFile(path, 'ready\n');
    expect(await found).toBe('vsbypass-l1: ready');
  });

  it('remembers a line that passed before anyone waited', async () => {
    const marker = follower.expect((line) => line === 'early');
    await appendFile(path, 'early\nlater\n');
    await follower.catchUp();
    expect(await marker(signal())).toBe('early');
  });

  it('gives up with the reason of the signal', async () => {
    const abort = new AbortController();
    const waiting = follower.expect(() => false)(abort.signal);
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});

describe('LogFollower.lastLines', () => {
  it('keeps 20 lines, the unfinished one last', async () => {
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`);
    await appendFile(path, `${lines.join('\n')}\nunfinished`);
    await follower.catchUp();
    const last = follower.lastLines();
    expect(last).toHaveLength(20);
    expect(last.at(-1)).toBe('unfinished');
    expect(last.at(-2)).toBe('line 29');
  });

  it('cuts lines that never end', async () => {
    await appendFile(path, 'x'.repeat(20_000));
    await follower.catchUp();
    expect(follower.lastLines().at(-1)?.length).toBe(4096);
  });
});

describe('LogFollower.open', () => {
  it('starts where it is told to', async () => {
    await appendFile(path, 'second\n');
    const late = await LogFollower.open(path, 7);
    expect(await late.expect(() => true)(signal())).toBe('second');
    await late.close();
  });
});
