import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { asksKvm, decideAccel } from '../../src/host/accel.js';
import type { KvmFinding, KvmModule } from '../../src/host/kvm.js';

const offering = (names: readonly string[], module?: KvmModule): KvmFinding => ({
  usable: true,
  features: new Map(['svm', 'npt', 'vmx', 'vgif'].map((name) => [name, names.includes(name)])),
  module,
});
const config = (wanted: Partial<Config>): Config => ({ ...parseConfig('{}', 'f'), ...wanted });
const amd = { name: 'kvm_amd', loadable: true, nested: true, npt: true } as const;
const remedyNothing = /^Nothing on this host helps/;

/** What keeps KVM from being used, with what the reader is told. */
const obstacles: readonly [what: string, KvmFinding, reason: RegExp, remedy: RegExp][] = [
  [
    'a device that does not open',
    { usable: false, reason: '/dev/kvm is closed', remedy: 'Open it.' },
    /\/dev\/kvm is closed/,
    /^Open it\./,
  ],
  [
    'nested=0 on AMD',
    offering([], { ...amd, nested: false }),
    /no SVM \(kvm_amd runs with nested=0\)/,
    /^As root, while no VM runs: modprobe -r kvm_amd && modprobe kvm_amd nested=1/,
  ],
  [
    'nested=0 of a kvm_amd that is built in',
    offering([], { ...amd, nested: false, loadable: false }),
    /nested=0/,
    /^Boot the kernel with kvm_amd\.nested=1: /,
  ],
  [
    'npt=0',
    offering(['svm'], { ...amd, npt: false }),
    /without nested paging, which Xen needs to run L2 \(kvm_amd runs with npt=0\)/,
    /modprobe -r kvm_amd && modprobe kvm_amd npt=1 nested=1/,
  ],
  [
    'a processor without nested paging',
    offering(['svm'], amd),
    /without nested paging/,
    remedyNothing,
  ],
  ['VMX', offering(['vmx']), /VMX, which the shadow hypervisor does not intercept/, remedyNothing],
  [
    'nested=0 on Intel, where 1 would gain nothing',
    offering([], { name: 'kvm_intel', loadable: true, nested: false }),
    /VMX/,
    remedyNothing,
  ],
  ['a host that is itself paravirtualized', offering([]), /neither SVM nor VMX/, remedyNothing],
];

describe('decideAccel', () => {
  it.each(['auto', 'kvm'] as const)('%s: takes KVM when its guests have SVM and NPT', (choice) => {
    const decision = decideAccel(config({ accel: choice }), offering(['svm', 'npt', 'vgif'], amd));
    expect(decision).toMatchObject({
      accel: 'kvm',
      why: 'KVM offers its guests SVM with nested paging',
    });
    expect(decision.cpu.argument).toMatch(/^host,.*-vgif/);
  });

  it('obeys tcg without looking', () => {
    const { accel, cpu } = decideAccel(config({ accel: 'tcg' }), undefined);
    expect(accel).toBe('tcg');
    expect(cpu.argument).toMatch(/^EPYC,/);
  });

  it.each(obstacles)('takes TCG instead and says why: %s', (_, finding, reason) => {
    const decision = decideAccel(config({}), finding);
    expect(decision.accel).toBe('tcg');
    expect(decision.why).toMatch(reason);
    expect(decision.cpu.argument).toMatch(/^EPYC,/);
  });

  it.each(obstacles)('refuses kvm and says what helps: %s', (_, finding, reason, remedy) => {
    expect(() => decideAccel(config({ accel: 'kvm' }), finding)).toThrow(
      expect.objectContaining({
        code: 'E_ACCEL',
        exitCode: 3,
        message: expect.stringMatching(reason) as string,
        hint: expect.stringMatching(remedy) as string,
      }),
    );
  });

  it.each([
    ['an Intel processor', { cpu: 'intel' }, 'intel', /Intel processor was asked for/],
    ['bochs', { accel: 'bochs' }, 'amd', /^bochs was asked for; it emulates SVM/],
    ['both', { accel: 'bochs', cpu: 'intel' }, 'intel', /^bochs was asked for; it emulates VMX/],
  ] as const)('takes Bochs where it is asked for: %s', (_, wanted, vendor, why) => {
    expect(asksKvm(config(wanted))).toBe(false);
    const decision = decideAccel(config(wanted), undefined);
    expect(decision).toMatchObject({ accel: 'bochs', vendor });
    expect(decision.why).toMatch(why);
  });

  it.each([
    ['TCG, which has no VMX', { accel: 'tcg', cpu: 'intel' }, /does not emulate VMX/],
    ['VMX of KVM, which was never run', { accel: 'kvm', cpu: 'intel' }, /was never run/],
    ['what Bochs cannot run', { accel: 'bochs', l0: { cpus: 2 } }, /built for one processor/],
  ] as const)('refuses with what helps: %s', (_, wanted, reason) => {
    expect(() => decideAccel(config(wanted), offering(['vmx']))).toThrow(
      expect.objectContaining({
        code: 'E_ACCEL',
        message: expect.stringMatching(reason) as string,
        hint: expect.any(String) as string,
      }),
    );
  });
});
