/** Which machine L0 is, and why: a decision made from findings, apart from finding them. */
import { VsbError } from '../base/errors.js';
import type { accels, Config, CpuChoice, vendors } from '../config/schema.js';
import { whyNotOnBochs } from './bochs.js';
import {
  kvmCpuModel,
  kvmIntelCpuModel,
  tcgCpuModel,
  type CpuFeatures,
  type CpuModel,
} from './cpu-model.js';
import { setParameter, type KvmFinding } from './kvm.js';

/** What runs it: QEMU with KVM or TCG, or Bochs. */
export type Accel = (typeof accels)[number];
/** Whose virtualization L1 finds: AMD's SVM or Intel's VMX. */
export type Vendor = (typeof vendors)[number];

export interface AccelDecision {
  readonly accel: Accel;
  readonly vendor: Vendor;
  /** One sentence for people. */
  readonly why: string;
  /** The CPU of L0's machine. */
  readonly cpu: CpuModel;
}

/** Whether its processor is a program: it speculates nothing, and code that changes costs it more than others. */
export function isEmulated(accel: Accel): boolean {
  return accel !== 'kvm';
}

/** What keeps an accelerator from being used. */
export interface Obstacle {
  /** Half a sentence. */
  readonly reason: string;
  /** What helps; that nothing does, where that is so. */
  readonly remedy: string;
}

/** What TCG is always good for: it emulates SVM with nested paging. */
const tcgSentence = 'TCG emulates SVM in software';

/** A processor that Bochs can be, as a processor of L0's machine. */
const bochsCpu: Readonly<Record<Vendor, CpuModel>> = {
  amd: { argument: 'ryzen', summary: "Bochs' ryzen: SVM with nested paging" },
  intel: { argument: 'corei7_haswell_4770', summary: "Bochs' corei7_haswell_4770: VMX with EPT" },
};

/** Whether KVM has to be looked at before {@link decideAccel}. */
export function asksKvm({ accel }: Pick<Config, 'accel'>): boolean {
  return accel === 'kvm' || accel === 'auto';
}

/**
 * Decides.
 *
 * @throws VsbError E_ACCEL when what was asked for cannot work, with the reason and what helps
 */
export function decideAccel(config: Config, kvm: KvmFinding | undefined): AccelDecision {
  const { accel: choice, cpu: vendor } = config;
  if (choice === 'bochs') return decideBochs(config, 'bochs was asked for');
  if (choice === 'tcg') return decideTcg(vendor);
  if (kvm === undefined) throw new TypeError('KVM must have been looked at');
  const intel = vendor === 'intel';
  const usable = intel ? usableVmx(kvm) : usableFeatures(kvm);
  if (!('reason' in usable)) {
    return intel
      ? { accel: 'kvm', vendor, why: vmxSentence, cpu: kvmIntelCpuModel(usable) }
      : { accel: 'kvm', vendor: 'amd', why: svmSentence, cpu: kvmCpuModel(usable) };
  }
  const { reason, remedy } = usable;
  if (choice === 'kvm') {
    const instead = intel
      ? 'Bochs does without it (--accel bochs).'
      : 'TCG does without it (--accel tcg).';
    throw new VsbError('E_ACCEL', `KVM was asked for and cannot be used here: ${reason}`, {
      hint: `${remedy} ${instead}`,
    });
  }
  if (intel) return decideBochs(config, reason);
  return { accel: 'tcg', vendor: 'amd', why: `${reason}; ${tcgSentence}`, cpu: tcgCpuModel() };
}

function decideTcg(vendor: CpuChoice): AccelDecision {
  if (vendor === 'intel') {
    throw new VsbError('E_ACCEL', 'TCG was asked for, and it does not emulate VMX', {
      hint: '`--cpu intel` without --accel takes Bochs, which does.',
    });
  }
  const why = `tcg was asked for; ${tcgSentence}`;
  return { accel: 'tcg', vendor: 'amd', why, cpu: tcgCpuModel() };
}

function decideBochs(config: Config, because: string): AccelDecision {
  const obstacle = whyNotOnBochs(config);
  if (obstacle !== undefined) {
    throw new VsbError('E_ACCEL', `Bochs cannot run this testbed: ${obstacle.reason}`, {
      hint: obstacle.remedy,
    });
  }
  const vendor = config.cpu === 'intel' ? 'intel' : 'amd';
  const emulates = vendor === 'intel' ? 'VMX with EPT' : 'SVM with nested paging';
  const why = `${because}; Bochs emulates ${emulates}`;
  return { accel: 'bochs', vendor, why, cpu: bochsCpu[vendor] };
}

const svmSentence = 'KVM offers its guests SVM with nested paging';
const vmxSentence = 'KVM offers its guests VMX with EPT; no such host has been at hand to try it';

/** What KVM's guests have of VMX, where that is enough for L1; else what is missing. Asked only where an Intel processor is wanted. */
export function usableVmx(kvm: KvmFinding): CpuFeatures | Obstacle {
  if (!kvm.usable) return kvm;
  const { features, module } = kvm;
  const has = (name: string): boolean => features.get(name) === true;
  const helps = (parameter: 'nested' | 'ept' | 'unrestricted_guest'): string =>
    module?.name === 'kvm_intel' && module[parameter] === false
      ? setParameter(module, `${parameter}=1`, ...(parameter === 'nested' ? [] : ['nested=1']))
      : nothingHelps;
  if (!has('vmx')) {
    const reason =
      module?.nested === false
        ? `KVM offers its guests no VMX (${module.name} runs with nested=0)`
        : 'KVM offers its guests no VMX';
    return { reason, remedy: helps('nested') };
  }
  if (!has('vmx-ept')) {
    const reason = 'KVM offers its guests VMX without EPT, which Xen needs to run L2';
    return { reason, remedy: helps('ept') };
  }
  if (!has('vmx-unrestricted-guest')) {
    const reason =
      'KVM offers its guests VMX without unrestricted guests, which the firmware of user VMs needs';
    return { reason, remedy: helps('unrestricted_guest') };
  }
  return features;
}

const nothingHelps =
  'Nothing on this host helps, whatever the parameters of its KVM; docs/hosts.md tells which hosts do.';

/** What KVM's guests have, where that is enough for L1; else what is missing: SVM, for a processor that nobody chose. */
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
      'this processor has VMX, which is taken only where it is asked for (--cpu intel)';
    return { reason, remedy: '`--cpu intel` says whether it can be used.' };
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
