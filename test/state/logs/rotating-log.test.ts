import { mkdir, mkdtemp, readFile, readdir, rm, rmdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { readLog } from '../../../src/state/logs/files.js';
import { RotatingLog } from '../../../src/state/logs/rotating-log.js';

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-rotate-'));
  path = join(directory, 'log');
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});
const texts = async (): Promise<string[]> => (await readLog(path)).map(({ text }) => text);

describe('RotatingLog.write', () => {
  it('writes each line with its time, for nobody else to read', async () => {
    const log = new RotatingLog(path, { encoding: 'utf8' });
    log.write(['one', 'two'], new Date(0));
    log.close();
    expect(await readFile(path, 'utf8')).toBe(
      '1970-01-01T00:00:00.000Z one\n1970-01-01T00:00:00.000Z two\n',
    );
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('keeps the newest lines in four files of bounded size', async () => {
    const log = new RotatingLog(path, { encoding: 'latin1', maximumBytes: 200 });
    for (let index = 0; index < 1000; index++) log.write([`line ${index}`]);
    log.close();
    const names = (await readdir(directory)).sort();
    expect(names).toEqual(['log', 'log.1', 'log.2', 'log.3']);
    for (const name of names) expect((await stat(join(directory, name))).size).toBeLessThan(201);
    const lines = await texts();
    expect(lines.at(-1)).toBe('line 999');
    expect(lines).toEqual(lines.map((_, index) => `line ${1000 - lines.length + index}`));
  });

  it('goes on without a place to write to, and says how many lines that has cost', async () => {
    await mkdir(path); // A folder in its place: nothing can be written.
    const log = new RotatingLog(path, { encoding: 'utf8' });
    log.write(['lost', 'lost too']);
    expect(log.lostLines).toBe(2);
    await rmdir(path);
    log.write(['kept']);
    expect(log.lostLines).toBe(0);
    expect(await texts()).toEqual(['vsbypass: 2 lines could not be written here', 'kept']);
    log.close();
  });
});

describe('RotatingLog with fresh', () => {
  it('begins with an empty file; the old lines are the one before', async () => {
    for (const text of ['first', 'second']) {
      const log = new RotatingLog(path, { encoding: 'utf8', fresh: true });
      log.write([text]);
      log.close();
    }
    expect(await readFile(`${path}.1`, 'utf8')).toContain('first');
    expect(await readFile(path, 'utf8')).not.toContain('first');
    expect(await texts()).toEqual(['first', 'second']);
  });
});
