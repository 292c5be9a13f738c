/** What describes the build of Bochs: what it refuses, its patches, and the ROM that starts L1. Nothing is compiled but the ROM. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { imagesDirectory } from '../../src/images/build.js';
import { findProgram } from '../../src/host/requirements.js';

const bochs = join(imagesDirectory, 'bochs');
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-bochs-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

interface Finished {
  readonly code: number;
  readonly stderr: string;
}

async function run(
  program: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  return await new Promise((resolve) => {
    execFile(program, words, { env: { ...process.env, ...env } }, (error, _, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stderr });
    });
  });
}

/** A PATH with this host's programs but for one. */
async function pathWithout(missing: string): Promise<string> {
  const bin = join(directory, 'bin');
  await mkdir(bin);
  for (const program of ['bash', 'env', 'dirname', ...neededPrograms]) {
    const found = program === missing ? undefined : await findProgram(program);
    if (found !== undefined) await symlink(found, join(bin, program));
  }
  return bin;
}

const neededPrograms = [
  ...['g++', 'gcc', 'ld', 'objcopy', 'make', 'patch', 'xz', 'bcc', 'as86', 'iasl', 'perl'],
  ...['flock', 'dpkg-query'],
];

describe('images/bochs/build', () => {
  it.each(['g++', 'as86'])('without %s names the package, and builds nothing', async (program) => {
    const path = await pathWithout(program);
    const { code, stderr } = await run(join(bochs, 'build'), ['--cache', directory], {
      PATH: path,
    });
    expect(code).toBe(3);
    expect(stderr).toMatch(/Debian packages: /);
    expect(stderr).toContain(program === 'as86' ? 'bin86' : program);
  });

  it('takes patches that its series names, and has no others', async () => {
    const series = (await readFile(join(bochs, 'patches/series'), 'utf8')).trim().split('\n');
    const files = (await readdir(join(bochs, 'patches'))).filter((name) => name !== 'series');
    expect(series).toEqual(files.sort());
  });
});

describe('images/bochs/fetch', () => {
  it('--offline says what is not in the cache', async () => {
    const { code, stderr } = await run(join(bochs, 'fetch'), ['--cache', directory, '--offline']);
    expect(code).toBe(4);
    expect(stderr).toMatch(/bochs: not in the cache.*Bochs 3\.0/);
  });

  it('takes no archive that is not what the signed list said', async () => {
    const [version = ''] = (await readFile(join(bochs, 'version'), 'utf8')).split('-');
    const name = `bochs_${version}.orig.tar.xz`;
    await mkdir(join(directory, 'bochs-source'));
    await writeFile(join(directory, 'bochs-source', name), 'another Bochs');
    const sum = `${'0'.repeat(64)}  ${name}\n`;
    await writeFile(join(directory, 'bochs-source', `${name}.sha256`), sum);
    const { code } = await run(join(bochs, 'fetch'), ['--cache', directory, '--offline']);
    expect(code).toBe(4);
  });
});

describe('images/bochs/boot.S', () => {
  it('is an option ROM that enters protected mode, and jumps where it is told to', async () => {
    const object = join(directory, 'boot.o');
    const rom = join(directory, 'boot.rom');
    const defines = ['-DROM=0xc0000', '-DHANDOVER=0xff0000'];
    const source = join(bochs, 'boot.S');
    expect(await run('gcc', ['-m32', '-c', ...defines, '-o', object, source])).toMatchObject({
      code: 0,
    });
    const link = ['-m', 'elf_i386', '-Ttext', '0', '--oformat', 'binary', '-o', rom, object];
    expect(await run('ld', link)).toMatchObject({ code: 0 });
    const bytes = await readFile(rom);
    expect(bytes).toHaveLength(512);
    expect([...bytes.subarray(0, 3)]).toEqual([0x55, 0xaa, 1]);
    // movl $0x2badb002, %eax; jmp *%ecx
    expect(bytes.includes(Buffer.from([0xb8, 0x02, 0xb0, 0xad, 0x2b, 0xff, 0xe1]))).toBe(true);
    // The sum's place is free.
    expect(bytes[511]).toBe(0);
  });
});
