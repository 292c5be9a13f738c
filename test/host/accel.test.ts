import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/schema.js';
import { asksKvm, decideAccel } from '../../src/host/accel.js';
import type { KvmFinding, KvmModule } from '../../src/host/kvm.js';

const known = ['svm', 'npt', 'vmx', 'vgif'];
const offering = (names: readonly string[], module?: KvmModule): KvmFinding => ({
  usable: true,
  features: new Map([...known, ...names].map((name) => [name, names.includes(name)])),
  module,
});
const config = (wanted: Partial<Config>): Config => ({ ...parseConfig('{}', 'f'), ...wanted });
const amd = { name: 'kvm_amd', loadable: true, nested: true, npt: true } as const;
const intel = { name: 'kvm_intel', loadable: true, nested: true, ept: true } as const;
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
  ['VMX', offering(['vmx']), /VMX, which is taken only where it is asked for/, /--cpu intel/],
  [
    'nested=0 on Intel, which was not asked for',
    offering([], { name: 'kvm_intel', loadable: true, nested: false }),
    /VMX/,
    /--cpu intel/,
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
    ['bochs', { accel: 'bochs' }, 'amd', /^bochs was asked for; Bochs emulates SVM/],
    ['and Intel', { accel: 'bochs', cpu: 'intel' }, 'intel', /^bochs was asked for; .* VMX/],
  ] as const)(
    'takes Bochs where it is asked for, and does not look: %s',
    (_, wanted, vendor, why) => {
      expect(asksKvm(config(wanted))).toBe(false);
      const decision = decideAccel(config(wanted), undefined);
      expect(decision).toMatchObject({ accel: 'bochs', vendor });
      expect(decision.why).toMatch(why);
    },
  );

  it('takes KVM for an Intel processor where its guests have VMX with EPT', () => {
    const features = ['vmx', 'vmx-ept', 'vmx-unrestricted-guest', 'vmx-pml'];
    const decision = decideAccel(config({ cpu: 'intel' }), offering(features, intel));
    expect(decision).toMatchObject({ accel: 'kvm', vendor: 'intel' });
    expect(decision.cpu.argument).toMatch(/^host,\+vmx,\+vmx-ept,.*-vmx-pml/);
  });

  const vmxObstacles: readonly [what: string, KvmFinding, reason: RegExp, remedy: RegExp][] = [
    ['no KVM', { usable: false, reason: 'closed', remedy: 'Open it.' }, /closed/, /^Open it\./],
    [
      'nested=0',
      offering([], { ...intel, nested: false }),
      /no VMX \(kvm_intel runs with nested=0\)/,
      /modprobe kvm_intel nested=1/,
    ],
    [
      'ept=0',
      offering(['vmx'], { ...intel, ept: false }),
      /VMX without EPT/,
      /modprobe kvm_intel ept=1 nested=1/,
    ],
    ['a processor without EPT', offering(['vmx'], intel), /VMX without EPT/, remedyNothing],
    [
      'unrestricted_guest=0',
      offering(['vmx', 'vmx-ept'], { ...intel, unrestricted_guest: false }),
      /without unrestricted guests/,
      /modprobe kvm_intel unrestricted_guest=1 nested=1/,
    ],
    ['a host with SVM', offering(['svm', 'npt'], amd), /no VMX/, remedyNothing],
  ];

  it.each(vmxObstacles)('takes Bochs for an Intel processor else: %s', (_, finding, reason) => {
    const decision = decideAccel(config({ cpu: 'intel' }), finding);
    expect(decision).toMatchObject({ accel: 'bochs', vendor: 'intel' });
    expect(decision.why).toMatch(reason);
  });

  it.each(vmxObstacles)('or says what KVM lacks of it: %s', (_, finding, reason, remedy) => {
    expect(() => decideAccel(config({ cpu: 'intel', accel: 'kvm' }), finding)).toThrow(
      expect.objectContaining({
        code: 'E_ACCEL',
        message: expect.stringMatching(reason) as string,
        hint: expect.stringMatching(remedy) as string,
      }),
    );
  });

  it.each([
    ['TCG, which has no VMX', { accel: 'tcg', cpu: 'intel' }, /does not emulate VMX/],
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
