/** Which accelerator L0's QEMU runs with, and why: a decision made from findings, apart from finding them. */
import { VsbError } from '../base/errors.js';
import type { AccelChoice } from '../config/schema.js';
import { kvmCpuModel, tcgCpuModel, type CpuFeatures, type CpuModel } from './cpu-model.js';
import { setParameter, type KvmFinding } from './kvm.js';

export type Accel = 'kvm' | 'tcg';

export interface AccelDecision {
  readonly accel: Accel;
  /** One sentence for people. */
  readonly why: string;
  /** The CPU of L0's machine. */
  readonly cpu: CpuModel;
}

/** What keeps KVM from being used. */
export interface Obstacle {
  /** Half a sentence. */
  readonly reason: string;
  /** What helps; that nothing does, where that is so. */
  readonly remedy: string;
}

/** What TCG is always good for: it emulates SVM with nested paging. */
const tcgSentence = 'TCG emulates SVM in software';

/**
 * Decides.
 *
 * @throws VsbError E_ACCEL when `kvm` was asked for and cannot work
 */
export function decideAccel(choice: AccelChoice, kvm: KvmFinding | undefined): AccelDecision {
  const cpu = tcgCpuModel();
  if (choice === 'tcg') return { accel: 'tcg', why: `tcg was asked for; ${tcgSentence}`, cpu };
  if (kvm === undefined) throw new TypeError('KVM must have been looked at');
  const usable = usableFeatures(kvm);
  if (!('reason' in usable)) {
    const why = 'KVM offers its guests SVM with nested paging';
    return { accel: 'kvm', why, cpu: kvmCpuModel(usable) };
  }
  const { reason, remedy } = usable;
  if (choice === 'kvm') {
    throw new VsbError('E_ACCEL', `KVM was asked for and cannot be used here: ${reason}`, {
      hint: `${remedy} TCG does without it (--accel tcg).`,
    });
  }
  return { accel: 'tcg', why: `${reason}; ${tcgSentence}`, cpu };
}

const nothingHelps =
  'Nothing on this host helps, whatever the parameters of its KVM; docs/hosts.md tells which hosts do.';

/** What KVM's guests have, where that is enough for L1; else what is missing. The shadow layer intercepts exits of SVM only. */
export function usableFeatures(kvm: KvmFinding): CpuFeatures | Obstacle {
  if (!kvm.usable) return kvm;
  const { features, module } = kvm;
  const [svm, npt, vmx] = ['svm', 'npt', 'vmx'].map((name) => features.get(name) === true);
  if (svm === true && npt === true) return features;
  if (svm === true) {
    const reason = 'KVM offers its guests SVM without nested paging, which Xen needs to run L2';
    return module?.npt === false
      ? {
          reason: `${reason} (${module.name} runs with npt=0)`,
          remedy: setParameter(module, 'npt=1', 'nested=1'),
        }
      : { reason, remedy: nothingHelps };
  }
  if (vmx === true || module?.name === 'kvm_intel') {
    const reason =
      'this processor has VMX, which the shadow hypervisor does not intercept yet (only SVM)';
    return { reason, remedy: nothingHelps };
  }
  return module?.nested === false
    ? {
        reason: `KVM offers its guests no SVM (${module.name} runs with nested=0)`,
        remedy: setParameter(module, 'nested=1'),
      }
    : {
        reason:
          'KVM offers its guests neither SVM nor VMX (this host is itself paravirtualized, or its provider offers no nested virtualization)',
        remedy: nothingHelps,
      };
}
