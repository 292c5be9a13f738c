/** The ground that an attacker stands on: a layer, what there is to be searched in it, and with what means of its own. */
import { VsbError } from '../base/errors.js';
import type { L2Kind } from '../config/schema.js';
import type { EvidenceKind } from '../contract/watched.js';
import type { Channel } from './channels.js';
import { l1Dom0 } from './l1-dom0.js';
import { l2Kvm } from './l2-kvm.js';
import { l2Xen } from './l2-xen.js';
import { libvirt } from './libvirt.js';
import type { TracedIo } from './trace.js';

/** A user VM as it is known outside of L2. */
export interface SoughtVm {
  readonly name: string;
  readonly uuid?: string | undefined;
  /** The size of its memory, where the configuration says it. */
  readonly memoryBytes?: number | undefined;
}

/** What is to be known of a user VM to look for its console. */
export interface Subject {
  /** Its name in L2. */
  readonly vm: string;
  /** What L2 knows it by: the pid of its QEMU, or its domain. */
  readonly id: number;
  /** Its QEMU in L2. */
  readonly qemuPid: number;
  /** The size of its memory. */
  readonly memoryBytes: number;
  /** The tool's own folder there, where command output is put. */
  readonly directory: string;
}

/** Shell commands of a tracer; each gets the tool's folder. */
export interface Tracer {
  /** Traces the accesses to COM1 that the layer's hypervisor sees, from now on. */
  start(directory: string): string;
  /** Ends it, with what was traced on stdout. */
  stop(directory: string): string;
  read(output: Buffer): TracedIo;
  /** Undoes what start() has changed, whether or not it was stopped. */
  leave(directory: string): string;
}

/** How long a command there may take, and a search: both take seconds, and longer on a busy machine. */
export interface Limits {
  readonly command: number;
  readonly search: number;
}

export interface Ground {
  readonly layer: 'L1' | 'L2';
  /** A folder in which programs can be run. */
  readonly workFolder: string;
  channels(subject: Subject): Channel[];
  /** What the layer says of itself, put into files of the tool's folder, the current one. */
  readonly collect: string;
  readonly limitsMs: Limits;
  /** Shell commands of the self-test, run in the tool's folder: $c is put into each channel that no console fills by itself. */
  plant(subject: Subject): readonly string[];
  /** Takes it out again; kernel logs and freed memory forget by themselves. */
  unplant(subject: Subject): string;
  readonly tracer?: Tracer;
}

/** Something that an operator does to a user VM beyond looking on, and that L1 is to notice. */
export interface ActiveAttack {
  readonly name: string;
  readonly method: string;
  /** The kind of evidence that it is to raise. */
  readonly raises: EvidenceKind;
  /** In L2's shell. */
  readonly command: string;
}

export interface L2Ground extends Ground {
  readonly tracer: Tracer;
  /** Prints what makes a {@link Subject} of a user VM, a line each: its id, QEMU's pid, bytes of memory, its name. */
  lookUp(vm: SoughtVm): string;
  /** Opens its console as its operator does; undefined: as that of an L2 that this project builds. */
  console?(subject: Subject): string;
  /** Those that are known, with the tools that are there. */
  attacks(vm: string): readonly ActiveAttack[];
}

export const l1Ground: Ground = l1Dom0;

export function l2Ground(kind: L2Kind): L2Ground {
  return kind === 'kvm' ? l2Kvm : l2Xen;
}

/**
 * That of a system of the user's own.
 * @throws VsbError E_L2_OWN: it is not known how its VMs are looked up
 */
export function ownGround(kind: L2Kind): L2Ground {
  if (kind === 'kvm') return libvirt;
  throw new VsbError('E_L2_OWN', 'of systems of your own verify knows those with libvirt', {
    layer: 'L2',
    hint: '`vsbypass proof VM` says what L1 knows of its VMs.',
  });
}
