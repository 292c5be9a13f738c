import { describe, expect, it } from 'vitest';

import { decideAccel } from '../../src/host/accel.js';

describe('decideAccel', () => {
  it('takes KVM when its guests have SVM', () => {
    expect(decideAccel('auto', { usable: true, svm: true, vmx: false }).accel).toBe('kvm');
    expect(decideAccel('kvm', { usable: true, svm: true, vmx: false }).accel).toBe('kvm');
  });

  it('takes TCG on a host whose /dev/kvm opens although its guests have neither, and says why', () => {
    const decision = decideAccel('auto', { usable: true, svm: false, vmx: false });
    expect(decision.accel).toBe('tcg');
    expect(decision.why).toMatch(/neither SVM nor VMX/);
  });

  it('takes TCG where there is only VMX, and says that it is not intercepted yet', () => {
    const decision = decideAccel('auto', { usable: true, svm: false, vmx: true });
    expect(decision).toMatchObject({ accel: 'tcg', why: expect.stringMatching(/VMX/) as string });
  });

  it('takes TCG without KVM and passes the reason on', () => {
    const decision = decideAccel('auto', { usable: false, reason: 'no /dev/kvm' });
    expect(decision).toMatchObject({
      accel: 'tcg',
      why: expect.stringContaining('no /dev/kvm') as string,
    });
  });

  it('obeys tcg without looking', () => {
    expect(decideAccel('tcg', undefined).accel).toBe('tcg');
  });

  it.each([
    { usable: true, svm: false, vmx: true },
    { usable: true, svm: false, vmx: false },
    { usable: false, reason: 'gone' },
  ] as const)('refuses kvm when it cannot work: %j', (finding) => {
    expect(() => decideAccel('kvm', finding)).toThrow(
      expect.objectContaining({ code: 'E_ACCEL', exitCode: 3 }),
    );
  });
});
