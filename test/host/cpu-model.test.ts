import { describe, expect, it } from 'vitest';

import { kvmCpuModel, maskedUnderKvm, tcgCpuModel } from '../../src/host/cpu-model.js';

describe('tcgCpuModel', () => {
  it('switches off what breaks Xen or a layer above it', () => {
    const flags = tcgCpuModel().argument.split(',');
    expect(flags[0]).toBe('EPYC');
    for (const flag of ['-smap', '-rdtscp', '-monitor', '-avx', '-xsave']) {
      expect(flags).toContain(flag);
    }
    expect(flags).not.toContain('-svm');
  });
});

describe('kvmCpuModel', () => {
  const features = (...names: string[]): Map<string, boolean> =>
    new Map([['svm', true], ['npt', true], ...names.map((name) => [name, true] as const)]);

  it('hides what was not tested, vGIF first of all', () => {
    const { argument, summary } = kvmCpuModel(features('vgif', 'nrip-save', 'avx2'));
    expect(argument).toBe('host,+svm,+npt,-vgif,-nrip-save');
    expect(summary).toBe("the host's, with svm, npt; hidden: vgif, nrip-save");
  });

  it('names nothing that this QEMU does not know, which would refuse it', () => {
    expect(kvmCpuModel(features()).argument).toBe('host,+svm,+npt');
    expect(kvmCpuModel(features('vnmi')).argument).toContain(',-vnmi');
  });

  it('also switches off what KVM does not offer now', () => {
    const { argument, summary } = kvmCpuModel(features().set('avic', false));
    expect(argument).toContain(',-avic');
    expect(summary).toContain('nothing to hide');
  });

  it('gives an invariant TSC where the host has one', () => {
    expect(kvmCpuModel(features('invtsc')).argument).toBe('host,+svm,+npt,+invtsc');
    expect(kvmCpuModel(features().set('invtsc', false)).argument).not.toContain('invtsc');
  });

  it('never hides what it needs', () => {
    const masked: readonly string[] = maskedUnderKvm;
    expect(masked).not.toContain('svm');
    expect(masked).not.toContain('npt');
  });
});
