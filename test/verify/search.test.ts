/** The search program on this host, on files and processes of the test's own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { execa } from 'execa';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { ChannelEvidence } from '../../src/contract/evidence.js';
import { searchProgram } from '../../src/images/programs.js';
import { needlesOf, newCanary, octal } from '../../src/verify/canary.js';
import type { Channel } from '../../src/verify/channels.js';
import { parseAnswer, searchBuffers, searchJob, wantedOf } from '../../src/verify/search.js';

const canary = newCanary();
const wanted = wantedOf(new Map([['echoed', canary]]));
const chunkBytes = 1 << 20;

let directory: string;
let program: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-search-'));
  program = join(directory, 'search');
  const content = await searchProgram(directory, new AbortController().signal);
  await writeFile(program, content, { mode: 0o700 });
}, 60_000);
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

function channelOf(...directives: string[]): Channel {
  return { layer: 'L2', name: 'here', method: 'a test', claims: [], directives };
}

async function search(...directives: string[]): Promise<ChannelEvidence> {
  const channel = channelOf(...directives);
  const input = searchJob(wanted, [channel], join(directory, 'skipped'));
  expect(input).not.toContain(canary);
  const { stdout } = await execa(program, { input });
  const [evidence] = parseAnswer(stdout, wanted, [channel]);
  if (evidence === undefined) throw new Error('no evidence');
  return evidence;
}

const encodings = (evidence: ChannelEvidence): string[] =>
  evidence.hits.map(({ encoding, count }) => `${encoding} ${count}`).sort();

describe('the search program', () => {
  it('agrees with the search in memory, wherever needles are', async () => {
    const parts = fc.oneof(
      fc
        .constantFrom(...needlesOf(canary))
        .map(({ bytes, step }) =>
          step === 1 ? bytes : Buffer.from([...bytes].flatMap((byte) => [byte, 0x78])),
        ),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
      fc.integer({ min: 1, max: 20 }).map((length) => Buffer.alloc(length)),
      fc.constant(Buffer.from(canary.slice(0, 9))),
    );
    const path = join(directory, 'data');
    await fc.assert(
      fc.asyncProperty(fc.array(parts, { maxLength: 12 }), async (pieces) => {
        const data = Buffer.concat(pieces);
        await writeFile(path, data);
        const here = searchBuffers(channelOf(), new Map([['data', data]]), wanted);
        const there = await search(`file ${path}`);
        expect(encodings(there)).toEqual(encodings(here));
        expect(there.bytesSearched).toBe(data.length);
      }),
      { numRuns: 60 },
    );
  });

  it('finds what lies across the pieces that it reads, once', async () => {
    const path = join(directory, 'large');
    for (const at of [
      chunkBytes - 40,
      chunkBytes - 16,
      chunkBytes - 7,
      chunkBytes,
      chunkBytes + 1,
    ]) {
      const data = Buffer.alloc(chunkBytes + 4000);
      data.write(canary, at);
      await writeFile(path, data);
      const { hits, bytesSearched } = await search(`file ${path}`);
      expect(hits.map(({ encoding, count, where }) => ({ encoding, count, where }))).toEqual([
        { encoding: 'plain', count: 1, where: [`${path} at ${at}`] },
      ]);
      expect(bytesSearched).toBe(data.length);
    }
  });

  it('searches a tree, but neither links nor what is to be skipped', async () => {
    const tree = join(directory, 'tree');
    await mkdir(join(tree, 'deep', 'deeper'), { recursive: true });
    await mkdir(join(directory, 'skipped'), { recursive: true });
    await writeFile(join(tree, 'deep', 'deeper', 'file'), `x${canary}`);
    await symlink(join(tree, 'deep', 'deeper', 'file'), join(tree, 'link'));
    await writeFile(join(directory, 'skipped', 'file'), canary);
    expect(encodings(await search(`tree ${tree}`))).toEqual(['plain 1']);
    expect(encodings(await search(`tree ${join(directory, 'skipped')}`))).toEqual([]);
  });

  it('finds what a process has in its memory', async () => {
    // Only the process itself ever sees it unmasked.
    const script = `c=$(printf '${octal(canary)}'); echo ready; read -r x; echo "$c"`;
    const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    try {
      const all = await search(`memory ${child.pid} without 1`);
      expect(all.hits.map((hit) => hit.encoding)).toContain('plain');
      expect(all.bytesSearched).toBeGreaterThan(100_000);
      const none = await search(`memory ${child.pid} only 1`);
      expect(none).toMatchObject({ bytesSearched: 0, hits: [] });
    } finally {
      child.stdin.end('\n');
      await once(child, 'close');
    }
  });

  it('refuses a job that it does not understand', async () => {
    await expect(search('everything')).rejects.toMatchObject({ exitCode: 2 });
  });
});

describe('parseAnswer', () => {
  it('does not take silence for an answer', () => {
    const channel = channelOf('mounts');
    expect(() => parseAnswer('', wanted, [channel])).toThrow(/did not get to here/);
  });
});
