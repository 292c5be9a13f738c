/** Which accelerator L0's QEMU runs with, and why: a decision made from findings, apart from finding them. */
import { VsbError } from '../base/errors.js';
import type { AccelChoice } from '../config/schema.js';
import type { KvmFinding } from './qemu.js';

export type Accel = 'kvm' | 'tcg';

export interface AccelDecision {
  readonly accel: Accel;
  /** One sentence for people. */
  readonly why: string;
}

/** What TCG is always good for: it emulates SVM with nested paging. */
const tcgSentence = 'TCG emulates SVM in software';

/**
 * Decides. The shadow layer intercepts SVM exits only so far, so a CPU with VMX is of no use to it.
 *
 * @throws VsbError E_ACCEL when `kvm` was asked for and cannot work
 */
export function decideAccel(choice: AccelChoice, kvm: KvmFinding | undefined): AccelDecision {
  if (choice === 'tcg') return { accel: 'tcg', why: `tcg was asked for; ${tcgSentence}` };
  if (kvm === undefined) throw new TypeError('KVM must have been looked at');
  if (kvm.usable && kvm.svm) {
    return { accel: 'kvm', why: 'KVM offers its guests SVM' };
  }
  const obstacle = !kvm.usable
    ? kvm.reason
    : kvm.vmx
      ? 'KVM offers its guests VMX, which the shadow hypervisor does not intercept yet (only SVM)'
      : 'KVM offers its guests neither SVM nor VMX (nested virtualization is off, or this host is itself paravirtualized)';
  if (choice === 'kvm') {
    throw new VsbError('E_ACCEL', `KVM was asked for and cannot be used here: ${obstacle}`, {
      hint: 'TCG does without it (--accel tcg). On AMD: modprobe kvm_amd nested=1.',
    });
  }
  return { accel: 'tcg', why: `${obstacle}; ${tcgSentence}` };
}
