import { describe, expect, it } from 'vitest';

import { loadConfig } from '../../src/config/load.js';
import { assertRunsWith, withRequiredAccel } from '../../src/host/required-accel.js';

const configured = async (accel: 'auto' | 'kvm' | 'tcg') =>
  await loadConfig({ directory: import.meta.dirname, accel });

describe('withRequiredAccel', () => {
  it('leaves nothing to chance, and changes no choice that was made', async () => {
    const [auto, tcg] = [await configured('auto'), await configured('tcg')];
    expect(withRequiredAccel(auto, 'kvm').accel).toBe('kvm');
    expect(withRequiredAccel(auto, undefined).accel).toBe('auto');
    expect(withRequiredAccel(tcg, 'tcg').accel).toBe('tcg');
    expect(() => withRequiredAccel(tcg, 'kvm')).toThrow(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });
});

describe('assertRunsWith', () => {
  const accel = { accel: 'tcg', why: 'no SVM' };

  it('takes what runs as required', () => {
    expect(() => assertRunsWith('tcg', { name: 'a', accel })).not.toThrow();
    expect(() => assertRunsWith(undefined, { name: 'a' })).not.toThrow();
  });

  it.each([[accel], [undefined]])('refuses %j when KVM is required', (running) => {
    expect(() => assertRunsWith('kvm', { name: 'a', accel: running })).toThrow(
      expect.objectContaining({ code: 'E_ACCEL', exitCode: 3 }),
    );
  });
});
