/** The interrupt paths, on one testbed of each machine: the same console on each, a server that is killed, a VM that is started anew. */
import { createHash } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

import { CommandLine, type Status } from './command-line.js';
import { logIn, shell } from './guest-shell.js';
import { patientMs } from './limits.js';

interface Irq {
  readonly mode: string;
  readonly active?: string;
  readonly restarts?: number;
}

const machines = [
  { name: 'QEMU', machine: [] },
  ...inject('bochsProcessors').map((cpu) => ({
    name: `Bochs, ${cpu}`,
    machine: ['--accel', 'bochs', '--cpu', cpu],
  })),
];

describe.each(machines)('$name:', ({ machine }) => {
  let cli: CommandLine;
  let password: string;

  beforeAll(async () => {
    cli = await CommandLine.create();
    await cli.must(['build', ...machine], { timeoutMs: 1_800_000 });
    const status = await cli.json<Status & { readonly irq: Irq }>(
      ['-v', 'up', ...machine, '--irq', 'ultracall', '--show-password'],
      { timeoutMs: 1_800_000 },
    );
    expect(status.irq).toMatchObject({ mode: 'ultracall', active: 'ultracall' });
    password = status.vms[0]?.password ?? '';
    await logIn(cli, 'vm1', password);
  });

  afterAll(async () => {
    await cli.dispose();
  });

  const countersOf = async (): Promise<Record<string, number>> => {
    const { vms } = await cli.json<{ vms: { counters: Record<string, number> }[] }>(['counters']);
    return vms[0]?.counters ?? {};
  };
  const irq = async (): Promise<Irq> => (await cli.json<{ irq: Irq }>(['status'])).irq;

  describe.each(['ultracall', 'net', 'doorbell', 'direct'])('%s', (mode) => {
    it('delivers typing and output, and rings as it says', async () => {
      await cli.must(['irq', mode]);
      const before = await countersOf();
      const made = 'head -c 15000 /dev/urandom | base64 > /tmp/out';
      const sum = (await shell(cli, 'vm1', `${made}; sha256sum < /tmp/out`)).slice(0, 64);
      const output = await shell(cli, 'vm1', 'cat /tmp/out', { timeoutSeconds: 120 });
      const content = output.replace(/\n+$/, '\n');
      expect(createHash('sha256').update(content).digest('hex')).toBe(sum);
      const after = await countersOf();
      const grown = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
      expect(grown('rings')).toBeGreaterThan(0);
      const served = mode === 'ultracall' || mode === 'net';
      expect({
        told: grown('linesTold') > 0,
        presented: grown('doorbellExits') > 0,
        injected: grown('directInterrupts') > 0,
        unanswered: grown('directUnanswered'),
      }).toEqual({
        told: served,
        // The direct path learns the vector from the doorbell.
        presented: !served,
        injected: mode === 'direct',
        unanswered: 0,
      });
    });
  });

  describe('the server in L2', () => {
    it('is started again when somebody ends it', async () => {
      await cli.must(['irq', 'net']);
      const ended = await cli.ssh('l2', 'kill -9 $(pidof vsbypass-irq-server)');
      expect(ended.code, ended.stderr).toBe(0);
      await expect
        .poll(irq, { timeout: patientMs(90_000), interval: 1000 })
        .toEqual({ mode: 'net', active: 'net', restarts: 1 });
    });

    it('finds a user VM that was started anew', async () => {
      await cli.must(['vm', 'stop', 'vm1'], { timeoutMs: 120_000 });
      await cli.must(['vm', 'start', 'vm1'], { timeoutMs: 180_000 });
      await logIn(cli, 'vm1', password);
      expect(await shell(cli, 'vm1', 'hostname')).toBe('vm1\n');
      expect(await irq()).toMatchObject({ mode: 'net', active: 'net' });
    });
  });
});
