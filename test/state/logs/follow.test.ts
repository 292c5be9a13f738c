import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { followLog } from '../../../src/state/logs/follow.js';
import { RotatingLog } from '../../../src/state/logs/rotating-log.js';
import { parseSince } from '../../../src/state/logs/since.js';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-follow-'));
  path = join(directory, 'log');
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('followLog', () => {
  it('starts where it is told to and waits for the rest of a line', async () => {
    await writeFile(path, 'first\nsec');
    const lines = followLog(path, 6, AbortSignal.timeout(10_000));
    const next = lines.next();
    await appendFile(path, 'ond\n');
    expect((await next).value).toEqual({ time: undefined, text: 'second' });
    await lines.return(undefined);
  });

  it('misses no line when the log is rotated', async () => {
    const log = new RotatingLog(path, { encoding: 'utf8', maximumBytes: 400 });
    const lines = followLog(path, 0, AbortSignal.timeout(10_000));
    for (let index = 0; index < 50; index++) {
      log.write([`line ${index}`], new Date(index));
      expect((await lines.next()).value).toEqual({ time: index, text: `line ${index}` });
    }
    await lines.return(undefined);
    log.close();
  });

  it('ends with the reason of the signal', async () => {
    const abort = new AbortController();
    const next = followLog(path, 0, abort.signal).next();
    abort.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
  });
});

describe('parseSince', () => {
  it('reads durations and times', () => {
    expect(parseSince('90s', 100_000)).toBe(10_000);
    expect(parseSince('2h', 7_200_000)).toBe(0);
    expect(parseSince('1970-01-01T00:00:05Z', 0)).toBe(5000);
  });

  it.each(['', 'yesterday', '5', '1w', '-1s', '1e3s'])('refuses %j', (text) => {
    expect(parseSince(text, 0)).toBeUndefined();
  });
});
