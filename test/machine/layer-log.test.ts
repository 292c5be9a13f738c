import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { LayerLog } from '../../src/machine/layer-log.js';
import { RotatingLog } from '../../src/state/logs/rotating-log.js';

let directory: string;
let log: LayerLog;
const signal = (): AbortSignal => AbortSignal.timeout(10_000);
const print = (text: string): void => log.push(Buffer.from(text, 'latin1'));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-log-'));
  log = new LayerLog(new RotatingLog(join(directory, 'log'), { encoding: 'latin1' }));
});
afterEach(async () => {
  log.close();
  await rm(directory, { recursive: true, force: true });
});

describe('LayerLog.expect', () => {
  it('finds a line that comes in pieces', async () => {
    const found = log.expect((line) => line.includes('ready'))(signal());
    print('vsbypass-l1: ');
    print('ready\r\n');
    expect(await found).toBe('vsbypass-l1: ready');
  });

  it('remembers the first line that passed before anyone waited', async () => {
    const marker = log.expect((line) => line.startsWith('early'));
    print('early 1\nearly 2\nlater\n');
    expect(await marker(signal())).toBe('early 1');
  });

  it('finds a prompt, which never ends, where that was asked for', async () => {
    const line = log.expect((text) => text.includes('login:'));
    const prompt = log.expect((text) => text.includes('login:'), { unfinished: true });
    print('host log');
    print('in: ');
    expect(await prompt(signal())).toBe('host login: ');
    await expect(line(AbortSignal.abort(new Error('not yet')))).rejects.toThrow('not yet');
  });

  it('gives up with the reason of the signal', async () => {
    const abort = new AbortController();
    const waiting = log.expect(() => false)(abort.signal);
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});

describe('LayerLog.lastLines', () => {
  it('keeps 20 lines, the unfinished one last', () => {
    print(`${Array.from({ length: 30 }, (_, index) => `line ${index}`).join('\n')}\nunfinished`);
    const last = log.lastLines();
    expect(last).toHaveLength(20);
    expect(last.at(-1)).toBe('unfinished');
    expect(last.at(-2)).toBe('line 29');
  });

  it('cuts lines that never end', () => {
    print('x'.repeat(20_000));
    expect(log.lastLines().at(-1)?.length).toBe(4096);
  });
});

describe('LayerLog.close', () => {
  it('has written every line with its time and its bytes, also the unfinished one', async () => {
    print('caf\xe9\nunfinished');
    log.close();
    const text = (await readFile(log.path)).toString('latin1');
    expect(text).toMatch(/^\d{4}-.{18}Z caf\xe9\n\d{4}-.{18}Z unfinished\n$/);
  });
});
