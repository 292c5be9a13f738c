/** What configurations run on: machines that the benchmark boots, and ends again. */
import type { HltPolicy, IrqMode, L2Kind } from '../../config/schema.js';
import type { ConsoleTarget } from '../../console/client/gateway-client.js';
import type { Counters } from '../../contract/answers.js';
import type { BootEvent } from '../../contract/events.js';
import type { AccelDecision } from '../../host/accel.js';
import type { SshTarget } from '../../host/ssh.js';
import type { ImageDirectories } from '../../images/build.js';
import type { BenchPrograms } from '../../images/programs.js';
import type { Roots } from '../../state/roots.js';
import type { Passwords } from '../../state/secrets.js';

/** A machine at L0, running. */
export interface Stack {
  /** root of the system that runs the user VMs: L2, or the KVM host of the traditional system. */
  readonly operator: SshTarget;
  /** Where the probe is there. */
  readonly probe: string;
  readonly passwords: Passwords;
  /** Process ids on this host. */
  readonly processes: { readonly qemu: number; readonly daemon?: number | undefined };
  /** What only a testbed with the shadow hypervisor has. */
  readonly shadow?: Shadow;
  /** Stops the machine, clocks and all, or lets it go on. */
  pause(paused: boolean): Promise<void>;
  close(): Promise<void>;
}

export interface Shadow {
  readonly controlSocket: string;
  readonly gateway: Omit<ConsoleTarget, 'vm' | 'attach' | 'signal'>;
  /** root of L1's dom0. */
  readonly l1: SshTarget;
  counters(signal: AbortSignal): Promise<Counters>;
  setIrqMode(mode: IrqMode, signal: AbortSignal): Promise<void>;
  setHltPolicy(vm: string, policy: HltPolicy, signal: AbortSignal): Promise<void>;
}

/** Folders of the images for one kind of L2. */
export interface BenchImages {
  readonly testbed: ImageDirectories;
  /** The virtualized system by itself, for a host that is not nested. */
  readonly host: string;
}

export function imagesOf(kind: L2Kind, images: StackInputs['images']): BenchImages {
  const found = images[kind];
  if (found === undefined) throw new TypeError('images of all that is measured are built');
  return found;
}

/** What every stack is booted with. */
export interface StackInputs {
  /** Name of the benchmark's instances. */
  readonly name: string;
  readonly roots: Roots;
  readonly accel: AccelDecision;
  /** Of the kinds of L2 that are measured. */
  readonly images: Readonly<Partial<Record<L2Kind, BenchImages>>>;
  readonly programs: BenchPrograms;
  readonly signal: AbortSignal;
  readonly report: (event: BootEvent) => void;
}
