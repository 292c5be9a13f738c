/** A testbed of each kind: the console left to L2 and taken back, and the attack with and without the shadow layer. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

import type { SelfTestReport, VerifyReport } from '../../src/contract/evidence.js';
import { CommandLine, type Status } from './command-line.js';
import { shell } from './guest-shell.js';
import { patientMs, patientSeconds } from './limits.js';

const verifyLimitMs = 400_000;
const inLong = 'scripts/test long does it';
const slowBoot = 'under Xen a boot on the console of the operator takes minutes';

describe.each(inject('l2Kinds'))('L2 = %s:', (kind) => {
  let cli: CommandLine;
  let password: string;

  const hooked = async (): Promise<boolean | undefined> =>
    (await cli.json<Status>(['status'])).vms[0]?.hooked;

  /** Logs root in at the prompt that is there now; the history has prompts of before. */
  async function logInNow(): Promise<void> {
    await cli.must(
      [
        ...['console', 'vm1', '--replay', 'none', '--timeout', patientSeconds(30)],
        ...['--send', '\\r', '--expect', 'vm1 login: $', '--send', 'root\\r'],
        ...['--expect', 'Password: ', '--send-env', 'GUEST_PASSWORD', '--send', '\\r'],
        ...['--expect', '# '],
      ],
      { env: { GUEST_PASSWORD: password }, timeoutMs: 100_000 },
    );
  }

  beforeAll(async () => {
    cli = await CommandLine.create();
    const status = await cli.json<Status>(['up', '--l2', kind, '--cold', '--show-password'], {
      timeoutMs: 1_800_000,
    });
    password = status.vms[0]?.password ?? '';
  });

  afterAll(async () => {
    await cli.dispose();
  });

  describe('verify', () => {
    it('finds the console in the baseline, and nothing of it when it is shadowed', async () => {
      const active = kind === 'kvm' ? ['--active'] : [];
      const report = await cli.json<VerifyReport>(['verify', ...active], {
        timeoutMs: verifyLimitMs,
      });
      expect(report.reasons).toEqual([]);
      expect(report.active?.map(({ name, seen }) => [name, seen > 0])).toEqual(
        kind === 'kvm'
          ? [
              ['single-steps', true],
              ['hardware-breakpoint', true],
              ['software-breakpoint', true],
            ]
          : undefined,
      );
      expect(report.verdict).toBe('protected');
      const [baseline, shadow] = report.phases;
      const kindsIn = (channel: string): string[] => {
        const found = baseline?.channels.find((one) => one.channel === channel);
        return [...new Set(found?.hits.map((hit) => hit.canary))].sort();
      };
      expect(kindsIn('serial-log')).toEqual(['echoed', 'printed']);
      expect(kindsIn(kind === 'kvm' ? 'kvm-trace' : 'xentrace')).toEqual([
        'echoed',
        'hidden',
        'printed',
      ]);
      const found = shadow?.channels.filter((one) => one.hits.length > 0);
      // The user VM's own memory is no secret of its console: reported, and no more than that.
      expect(found?.map((one) => one.channel)).toEqual(['guest-ram']);
      expect(shadow?.com1Accesses.data).toBe(0);
      const constants = Object.keys(shadow?.com1Accesses.others ?? {});
      expect(['write 0x3f9 0x2', 'write 0x3f9 0x0']).toEqual(expect.arrayContaining(constants));
      expect(shadow?.injection).toMatchObject({ reached: 0, consoleAnswers: true });
      expect(await hooked()).toBe(true);
    });

    it('finds a string in each channel in which it was planted', async ({ skip }) => {
      skip(inject('tier') === 'e2e', inLong);
      const report = await cli.json<SelfTestReport>(['verify', 'vm1', '--self-test'], {
        timeoutMs: verifyLimitMs,
      });
      expect(report.missed).toEqual([]);
      expect(report.passed).toBe(true);
    });

    it('puts everything back when it is interrupted', async () => {
      const running = cli.start(['verify'], { timeoutMs: verifyLimitMs });
      await running.until('baseline: typing');
      running.child.kill('SIGINT');
      expect((await running.finished).code).toBe(130);
      expect(await hooked()).toBe(true);
      await logInNow();
      expect(await shell(cli, 'vm1', 'hostname')).toBe('vm1\n');
    });

    it('does not know a VM of another name', async () => {
      expect((await cli.run(['verify', 'nobody'])).code).toBe(2);
    });
  });

  describe('vm hook', () => {
    it('leaves the console to L2, where `console` finds it and says what that means', async () => {
      expect(await cli.json(['vm', 'hook', 'off', 'vm1'])).toMatchObject({ hooked: false });
      expect(await hooked()).toBe(false);
      const { code, stdout, stderr } = await cli.run([
        ...['console', 'vm1', '--replay', 'none', '--timeout', patientSeconds(30)],
        ...['--send', '\\r', '--expect', '# '],
        ...['--send', 'echo by-the-operat""or\\r', '--expect', 'by-the-operator\\r\\n'],
      ]);
      expect(code, stdout + stderr).toBe(0);
      expect(stderr).toContain('NOT SECURE');
      expect(await cli.must(['logs', 'vm:vm1'])).toContain('by-the-operator');
    });

    it('takes it back at run time', async () => {
      expect(await cli.json(['vm', 'hook', 'on', 'vm1'])).toMatchObject({ hooked: true });
      const before = await cli.must(['logs', 'vm:vm1']);
      expect(await shell(cli, 'vm1', "echo a-sec''ret")).toBe('a-secret\n');
      expect(await cli.must(['logs', 'vm:vm1'])).toBe(before);
    });

    it('holds for the next start of the VM too', async ({ skip }) => {
      skip(kind === 'xen', slowBoot);
      await cli.must(['vm', 'hook', 'off', 'vm1']);
      await cli.must(['vm', 'stop', 'vm1'], { timeoutMs: 120_000 });
      await cli.must(['vm', 'start', 'vm1'], { timeoutMs: 180_000 });
      await expect.poll(hooked, { timeout: patientMs(20_000) }).toBe(false);
      const login = ['--timeout', patientSeconds(120), '--expect', 'login: $'];
      await cli.must(['console', 'vm1', ...login], { timeoutMs: 150_000 });
    });

    it("shadows a VM that has set its UART up while it was L2's", async ({ skip }) => {
      skip(kind === 'xen', slowBoot);
      skip(inject('tier') === 'e2e', inLong);
      const { verdict, reasons } = await cli.json<VerifyReport>(['verify'], {
        timeoutMs: verifyLimitMs,
      });
      expect({ verdict, reasons }).toEqual({ verdict: 'protected', reasons: [] });
      expect(await hooked()).toBe(false);
    });
  });
});
