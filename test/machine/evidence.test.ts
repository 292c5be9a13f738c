import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { VsbError } from '../../src/base/errors.js';
import { collectEvidence } from '../../src/machine/evidence.js';
import { freshLog } from '../../src/machine/layer-log.js';
import type { Running } from '../../src/machine/running.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-evidence-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** A machine that answers, whose Xen prints a line for each key, and which has no link yet. */
function machine(): Running {
  const l1 = freshLog(join(directory, 'l1.log'));
  const l1Console = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      const keys = chunk.toString('latin1');
      l1.push(Buffer.from(keys.startsWith('\x01') ? 'to Xen\n' : `answer to ${keys}\n`));
      done();
    },
  });
  const machine = {
    evidence: () => [
      { file: 'registers.txt', content: () => Promise.resolve('RIP=1234') },
      { file: 'disks.txt', content: () => Promise.reject(new Error('no answer')) },
    ],
  };
  const paths = { failedBootDir: join(directory, 'failed-boot') };
  return { paths, machine, l1, l1Console } as unknown as Running;
}

describe('collectEvidence', () => {
  it('keeps what the machine has and the answers of Xen, and says what cannot be had', async () => {
    const kept = await collectEvidence(machine(), false, new AbortController().signal);
    const read = async (name: string): Promise<string> => await readFile(join(kept, name), 'utf8');
    expect(await read('registers.txt')).toBe('RIP=1234\n');
    expect(await read('disks.txt')).toBe('not available: no answer\n');
    expect(await read('xen-keys.txt')).toContain('# key d\nanswer to d\n# key q\nanswer to q\n');
    expect(await read('l1-counters.json')).toBe('not available: the link is not connected\n');
  }, 60_000);

  it('ends with the reason of the signal', async () => {
    const interrupted = new VsbError('E_INTERRUPTED', 'ended by SIGINT');
    const signal = AbortSignal.abort(interrupted);
    await expect(collectEvidence(machine(), false, signal)).rejects.toBe(interrupted);
  });
});
