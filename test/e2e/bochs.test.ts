/** A testbed whose outermost machine is Bochs, from `up` to `down`, on each processor that it can be. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

import type { VerifyReport } from '../../src/contract/evidence.js';
import { CommandLine, sendTo, type Status } from './command-line.js';
import { patientMs } from './limits.js';

const upLimitMs = 150_000;
const verifyLimitMs = 150_000;

describe.each(inject('bochsProcessors'))('--accel bochs --cpu %s:', (cpu) => {
  let cli: CommandLine;
  let config: string;
  const machine = ['--accel', 'bochs', '--cpu', cpu];
  const statusOf = async (): Promise<Status> => await cli.json<Status>(['status']);

  beforeAll(async () => {
    cli = await CommandLine.create();
    config = join(cli.directory, 'two.json');
    await cli.must(['build', ...machine, '--l2', 'kvm'], { timeoutMs: 1_800_000 });
    // While one starts the other it waits for it, with interrupts off: the machine has one CPU for both.
    await writeFile(config, JSON.stringify({ l2: { vcpus: 2 } }));
    await cli.must(['up', ...machine, '--config', config], { timeoutMs: upLimitMs });
  });

  afterAll(async () => {
    await cli.dispose();
  });

  it('says what it is, and every layer answers', async () => {
    const status = await statusOf();
    expect(status).toMatchObject({ state: 'running', accel: { accel: 'bochs', vendor: cpu } });
  });

  it('runs a command on the secure console', async () => {
    const run = await cli.run(['console', 'run', 'vm1', '--', 'echo it runs; exit 7'], {
      timeoutMs: 30_000,
    });
    expect(run.stdout).toBe('it runs\n');
    expect(run.code).toBe(7);
  });

  it('has logs of every layer', async () => {
    for (const [layer, line] of [
      ['xen', /\(XEN\) /],
      ['l1', /vsbypass-l1: ready/],
      ['l2', /vsbypass-l2: ready/],
    ] as const) {
      expect(await cli.must(['logs', layer])).toMatch(line);
    }
  });

  it('keeps no state, and says so', async () => {
    const { code, stderr } = await cli.run(['snapshot', 'save', 'one']);
    expect(code).toBe(77);
    expect(stderr).toContain('Bochs keeps no state');
  });

  it('survives its daemon: the next command takes it over, and the console goes on', async () => {
    const { processes } = await statusOf();
    sendTo(processes.daemon, 'SIGKILL');
    await expect
      .poll(async () => (await statusOf()).state, { timeout: patientMs(20_000) })
      .toBe('broken');
    expect((await statusOf()).reason).toContain(`Bochs (pid ${processes.qemu}) still runs`);
    await cli.must(['up', ...machine, '--config', config], { timeoutMs: upLimitMs });
    expect((await statusOf()).processes.qemu).toBe(processes.qemu);
    const run = await cli.run(['console', 'run', 'vm1', '--', 'uname'], {
      timeoutMs: 30_000,
    });
    expect(run.stdout).toBe('Linux\n');
  });

  // With SVM verify.test.ts does it, on a faster machine.
  it.runIf(cpu === 'intel' && inject('tier') === 'long')('verifies as protected', async () => {
    const report = await cli.json<VerifyReport>(['verify'], { timeoutMs: verifyLimitMs });
    expect(report.reasons).toEqual([]);
    expect(report.verdict).toBe('protected');
  });

  it('tells that Bochs has ended, and down leaves nothing', async () => {
    sendTo((await statusOf()).processes.qemu, 'SIGKILL');
    await expect
      .poll(async () => (await statusOf()).reason, { timeout: patientMs(20_000) })
      // How it ended is known only to who started it.
      .toContain('Bochs has ended');
    await cli.must(['down']);
    await expect
      .poll(async () => await cli.processes(), { timeout: patientMs(30_000) })
      .toEqual([]);
    expect((await statusOf()).state).toBe('stopped');
  });
});

// It takes minutes by itself.
if (inject('tier') === 'long')
  describe('--cpu intel --l2 xen:', () => {
    let cli: CommandLine;
    const machine = ['--cpu', 'intel', '--l2', 'xen'];

    beforeAll(async () => {
      cli = await CommandLine.create();
      await cli.must(['build', ...machine], { timeoutMs: 1_800_000 });
      await cli.must(['up', ...machine], { timeoutMs: 4 * upLimitMs });
    });

    afterAll(async () => {
      await cli.dispose();
    });

    it('has a secure console, and nothing of it in L2', async () => {
      const run = ['console', 'run', 'vm1', '--', 'echo it runs'];
      expect(await cli.must(run, { timeoutMs: 30_000 })).toBe('it runs\n');
      const proof = await cli.json<{ operatorBytes: number }>(['proof', 'vm1']);
      expect(proof.operatorBytes).toBe(0);
    });

    it('verifies as protected', async () => {
      const report = await cli.json<VerifyReport>(['verify'], { timeoutMs: 2 * verifyLimitMs });
      expect(report.reasons).toEqual([]);
      expect(report.verdict).toBe('protected');
    });
  });
