/** A system in L1 that tries the nested virtualization which L1 gives: what it owes, and what it must bear. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

import { campaign } from '../hostile/campaign.js';
import { HostileSystem } from '../hostile/system.js';
import { CommandLine, type Status } from './command-line.js';
import { patientMs } from './limits.js';

let cli: CommandLine;
let system: HostileSystem;

beforeAll(async () => {
  cli = await CommandLine.createWithImages();
  await cli.must(['up', '--l2', 'kvm'], { timeoutMs: 1_800_000 });
  system = await HostileSystem.bring(cli);
});

afterAll(async () => {
  await cli.dispose();
});

/** L1 and the VM beside it go on. */
async function allIsWell(): Promise<void> {
  const status = await cli.json<Status>(['status']);
  expect(status.vms.find(({ name }) => name === 'vm1')).toMatchObject({
    state: 'running',
    hooked: true,
  });
  expect(await cli.must(['console', 'run', 'vm1', '--', 'echo', 'well'])).toBe('well\n');
}

describe('nested virtualization', () => {
  it('does what the manual says', async () => {
    const { output, end } = await system.run('shadowed=1', patientMs(120_000) / 1000);
    const failed = output.split(/\r?\n/).filter((line) => /^(?:not ok|#)/.test(line));
    expect(failed).toEqual(['# end']);
    expect(end).toBe('well');
    await allIsWell();
  });

  // Two CPUs share one there: it takes its time.
  it.each(inject('tier') === 'e2e' ? [false] : [false, true])(
    'bears guests that make no sense (changed meanwhile: %s)',
    async (flip) => {
      const seed = Number(process.env['HOSTILE_SEED'] ?? Date.now() % 1_000_000);
      const minutes = Number(
        process.env['HOSTILE_MINUTES'] ?? (inject('tier') === 'e2e' ? 0.5 : 5),
      );
      const report = await campaign(system, {
        ...{ seed, flip, cases: 1_000_000_000, limitMs: minutes * 60_000 },
        progress: (line) => process.stderr.write(`${line}\n`),
      });
      process.stderr.write(
        `seed ${seed}: ${report.cases} cases in ${report.seconds} s, ${report.ends.length} ended the system\n`,
      );
      for (const [reason, count] of report.reasons)
        process.stderr.write(`  ${count} x ${reason}\n`);
      expect(report.faults).toEqual([]);
      expect(report.cases).toBeGreaterThan(0);
      await allIsWell();
    },
    100_000_000,
  );
});
