import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import { assertHost } from '../../src/host/checks.js';
import { tcgCpuModel } from '../../src/host/cpu-model.js';
import {
  checkMemory,
  checkPrograms,
  checkSpace,
  findProgram,
} from '../../src/host/requirements.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-host-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('findProgram', () => {
  it('finds the first executable and passes over plain files', async () => {
    await writeFile(join(directory, 'tool'), '', { mode: 0o644 });
    expect(await findProgram('tool', directory)).toBeUndefined();
    expect(await findProgram('sh', `${directory}:/nowhere::/bin`)).toBe('/bin/sh');
  });
});

describe('checkPrograms', () => {
  it('names the packages of all that is missing in one apt-get line', async () => {
    const checks = await checkPrograms(
      [
        { program: 'b', package: 'pkg-b', purpose: 'b' },
        { program: 'a', package: 'pkg-a', purpose: 'a' },
        { program: 'a2', package: 'pkg-a', purpose: 'a' },
      ],
      'fail',
      directory,
    );
    expect(checks.map((check) => check.result)).toEqual(['fail', 'fail', 'fail']);
    expect(checks[0]?.remedy).toBe('apt-get install pkg-a pkg-b');
  });
});

describe('checkMemory', () => {
  it.each([
    [8_000_000, 'pass'],
    [1_000_000, 'fail'],
  ])('with %d kB available', async (kilobytes, result) => {
    const meminfo = join(directory, 'meminfo');
    await writeFile(meminfo, `MemTotal: 9 kB\nMemAvailable:   ${kilobytes} kB\n`);
    expect((await checkMemory(parseConfig('{}', 'f'), 0, meminfo)).result).toBe(result);
    // With what an instance has that makes way.
    expect((await checkMemory(parseConfig('{}', 'f'), 4096, meminfo)).result).toBe('pass');
  });
});

describe('checkSpace', () => {
  it('measures the nearest folder that exists', async () => {
    const check = await checkSpace(join(directory, 'not', 'yet'), 'instance');
    expect(check.found).toContain(`free in ${directory}`);
  });
});

describe('assertHost', () => {
  const failed = (id: string): Parameters<typeof assertHost>[0]['checks'][number] => ({
    id,
    title: id,
    result: 'fail',
    found: 'nothing',
    remedy: `get ${id}`,
  });

  it('names every failed check and uses the code of the first', () => {
    expect(() => assertHost({ checks: [failed('program:flock'), failed('memory')] })).toThrow(
      expect.objectContaining({
        code: 'E_PACKAGE_MISSING',
        exitCode: 3,
        hint: 'get program:flock get memory',
      }),
    );
  });

  it('lets a failed check pass that is not needed', () => {
    const accel = { accel: 'tcg', vendor: 'amd', why: '', cpu: tcgCpuModel() } as const;
    const check = { ...failed('program:gcc'), result: 'warn' } as const;
    expect(assertHost({ checks: [check], accel })).toBe(accel);
  });
});
