/** The CPU of L0's machine: what L1 sees of it, feature by feature. Pure; host/kvm.ts asks QEMU. */

/**
 * CPU features that must be off under TCG, with what happens else (QEMU 7.2):
 * - smap, smep: QEMU pops IRET frames as kernel accesses, a PV dom0 dies at its first IRET
 * - rdtscp: reported as VMEXIT_RDTSC, Xen reads another instruction than it expects and L2 gets #GP
 * - monitor: Xen's idle loop takes #GP
 * - avx and all that hangs on xsave: QEMU does not intercept XSETBV (target/i386/tcg/translate.c, opcode 0f 01 d1), so Xen
 *   does not hear of L2's and L3's XCR0 and puts its own idea of it back when it switches vCPUs. L3's next XRSTOR of a state
 *   with more in it takes #GP ("Bad FPU state detected" and the end of init); L2's user space has been seen to take SIGILL.
 */
const tcgTroublesome = [
  'smap',
  'smep',
  'rdtscp',
  'monitor',
  'avx',
  'avx2',
  'fma',
  'f16c',
  'xsave',
  'xsaveopt',
  'xgetbv1',
] as const;

/** Features of EPYC that TCG lacks; QEMU would warn about each at every start. */
const tcgMissing = [
  'rdseed',
  'sha-ni',
  'fxsr-opt',
  'misalignsse',
  '3dnowprefetch',
  'osvw',
  'topoext',
  'nrip-save',
  'xsavec',
] as const;

/** What nested virtualization needs; without either KVM is of no use. */
export const neededUnderKvm = ['svm', 'npt'] as const;

/**
 * Features of SVM, and of what a VMCB keeps, that the stack was not shown to work with: a processor that has them shows L1
 * one without. QEMU's names; which of them it knows depends on its version. A name leaves this list when the stack was
 * tested with it.
 * - vgif: L3 hung in its firmware before patch 0013; it has been seen to work under TCG only
 * - nrip-save, lbrv, avic, x2avic, vnmi: patches 0015, 0016 and 0018 mend what was read, and no processor was at hand to see it
 * - tsc-scale: L1 offers L2 none of it
 * - shstk, ibt: Xen 4.17 does not switch the state of control-flow enforcement between L2 and L3
 * - the rest has no known fault
 */
export const maskedUnderKvm = [
  'vgif',
  'v-vmsave-vmload',
  'nrip-save',
  'lbrv',
  'tsc-scale',
  'vmcb-clean',
  'flushbyasid',
  'decodeassists',
  'pause-filter',
  'pfthreshold',
  'avic',
  'x2avic',
  'vnmi',
  'svme-addr-chk',
  'svm-lock',
  'shstk',
  'ibt',
] as const;

/** Features of a CPU by QEMU's names, and whether KVM can give them to a guest. A name that is not there is unknown to QEMU. */
export type CpuFeatures = ReadonlyMap<string, boolean>;

/** What L1 is told about the processor. */
export interface CpuModel {
  /** The argument of `-cpu`. */
  readonly argument: string;
  /** The same for people. */
  readonly summary: string;
}

/** TCG's: the same on every host. */
export function tcgCpuModel(): CpuModel {
  const off = [...tcgTroublesome, ...tcgMissing];
  return {
    argument: ['EPYC', ...off.map((feature) => `-${feature}`)].join(','),
    summary: `EPYC without ${off.join(', ')}`,
  };
}

/** What nested virtualization needs of VMX. */
export const neededOfVmx = ['vmx', 'vmx-ept', 'vmx-unrestricted-guest'] as const;

/** What of VMX the shadow hypervisor was not shown to work with on the processors that Bochs emulates. QEMU's names. */
export const maskedOfVmx = [
  'vmx-apicv-vid',
  'vmx-posted-intr',
  'vmx-pml',
  'vmx-tsc-scaling',
  'vmx-eptp-switching',
  'shstk',
  'ibt',
] as const;

/** The same as {@link kvmCpuModel}, of a processor with VMX. */
export function kvmIntelCpuModel(features: CpuFeatures): CpuModel {
  return hostWithout(features, neededOfVmx, maskedOfVmx);
}

/**
 * KVM's: the host's processor without what was not tested. Only names that this QEMU knows are used, since it refuses a
 * command line with another. It stays a model that could migrate, which keeps features out that QEMU has no name for; the
 * invariant TSC is added by name, as no state is kept under KVM.
 */
export function kvmCpuModel(features: CpuFeatures): CpuModel {
  return hostWithout(features, neededUnderKvm, maskedUnderKvm);
}

function hostWithout(
  features: CpuFeatures,
  needed: readonly string[],
  masked: readonly string[],
): CpuModel {
  const added = [...needed, ...(features.get('invtsc') === true ? (['invtsc'] as const) : [])];
  const known = masked.filter((feature) => features.has(feature));
  const hidden = known.filter((feature) => features.get(feature) === true);
  const without = hidden.length === 0 ? 'nothing to hide' : `hidden: ${hidden.join(', ')}`;
  return {
    argument: [
      'host',
      ...added.map((feature) => `+${feature}`),
      ...known.map((feature) => `-${feature}`),
    ].join(','),
    summary: `the host's, with ${added.join(', ')}; ${without}`,
  };
}
