import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { VsbError } from '../../src/base/errors.js';
import { Deadline } from '../../src/cli/deadline.js';
import { writeHangingQemu } from '../rig/fake-qemu.js';
import { runCli } from '../rig/run-cli.js';

describe('Deadline', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.parse('2026-01-31T12:00:00Z') });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function watched() {
    const aborted: VsbError[] = [];
    const givenUp: string[] = [];
    const deadline = new Deadline({
      abort: (reason) => aborted.push(reason),
      giveUp: (why) => givenUp.push(why),
    });
    return { deadline, aborted, givenUp };
  }

  it.each([
    ['10m', 600_000],
    ['2026-01-31T12:00:30Z', 30_000],
    // Longer than a timer of Node.
    ['60d', 60 * 86_400_000],
  ])('%s aborts then, and not before', (when, afterMs) => {
    const { deadline, aborted } = watched();
    deadline.start(when, Date.now(), 'up');
    vi.advanceTimersByTime(afterMs - 1);
    expect(aborted).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(aborted).toMatchObject([{ code: 'E_DEADLINE', exitCode: 124 }]);
  });

  it('counts a duration from the start of the program', () => {
    const { deadline, aborted } = watched();
    deadline.start('10s', Date.now() - 4000, 'up');
    vi.advanceTimersByTime(6000);
    expect(aborted).toHaveLength(1);
  });

  it('says what was being done', () => {
    const { deadline, aborted } = watched();
    deadline.start('1m', Date.now(), 'up');
    deadline.doing('waiting for L1');
    deadline.doing('waiting for L2');
    vi.advanceTimersByTime(60_000);
    expect(aborted[0]?.message).toBe('the deadline (1m) passed while waiting for L2');
  });

  it('gives up on cleaning up that does not end, unless it is stopped', () => {
    const one = watched();
    one.deadline.start('1s', Date.now(), 'up');
    vi.advanceTimersByTime(60_999);
    expect(one.givenUp).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(one.givenUp).toHaveLength(1);

    const other = watched();
    other.deadline.start('1s', Date.now(), 'up');
    vi.advanceTimersByTime(1000);
    other.deadline.stop();
    vi.advanceTimersByTime(100_000);
    expect(other.givenUp).toEqual([]);
  });

  it.each(['soon', '-1s', '1w', ''])('does not take %j', (when) => {
    expect(() => watched().deadline.start(when, Date.now(), 'up')).toThrow(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });

  it('is no deadline for what begins after it', () => {
    expect(() => watched().deadline.start('2026-01-31T11:59:59Z', Date.now(), 'up')).toThrow(
      expect.objectContaining({ code: 'E_DEADLINE' }),
    );
  });
});

describe('vsbypass --deadline', () => {
  const past = '2020-01-01T00:00:00Z';
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vsb-deadline-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  // Long enough for QEMU to be started, on a busy machine, too.
  it.each([[['--deadline', '5s', 'up', '--json']], [['up', '--json', '--deadline', '5s']]])(
    'ends %j with 124 although QEMU hangs, and leaves nothing running',
    async (words) => {
      const qemu = await writeHangingQemu(join(directory, 'bin/qemu-system-x86_64'));
      const path = `${join(directory, 'bin')}:${process.env['PATH']}`;
      const { code, stdout } = await runCli(directory, words, { PATH: path });
      expect(code).toBe(124);
      expect(JSON.parse(stdout)).toMatchObject({
        error: {
          code: 'E_DEADLINE',
          message: expect.stringMatching(/\(5s\) passed while/) as string,
        },
      });
      const pid = Number(await readFile(`${qemu}.pid`, 'utf8'));
      expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    },
  );

  it('takes VSBYPASS_DEADLINE for one that several commands share; empty is none', async () => {
    expect(await runCli(directory, ['down'], { VSBYPASS_DEADLINE: past })).toMatchObject({
      code: 124,
      stderr: expect.stringContaining('passed before it began') as string,
    });
    expect((await runCli(directory, ['down'], { VSBYPASS_DEADLINE: '' })).code).toBe(0);
    const words = ['down', '--deadline', ''];
    expect((await runCli(directory, words, { VSBYPASS_DEADLINE: past })).code).toBe(0);
  });

  it('ends what would follow a log for ever, also that of the daemon', async () => {
    await mkdir(join(directory, 'vsbypass/instances/default/log'), { recursive: true });
    const words = ['logs', 'daemon', '-f', '--deadline', '1s'];
    expect((await runCli(directory, words)).code).toBe(124);
  });

  it('is not for the daemon, which outlives the command', async () => {
    const { stderr } = await runCli(directory, ['daemon'], { VSBYPASS_DEADLINE: past });
    expect(stderr).toContain('E_USAGE');
  });
});
