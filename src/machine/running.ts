/** What exists only while the machine of L0 runs, and the limits of what is waited for. */
import type { Writable } from 'node:stream';

import { VsbError } from '../base/errors.js';
import { hintOfKnown } from '../base/suggest.js';
import type { Config, VmConfig } from '../config/schema.js';
import type { Gateway } from '../console/gateway/gateway.js';
import type { ConsoleHub } from '../console/hub/hub.js';
import { meantBy } from '../config/vm-names.js';
import type { AccelDecision } from '../host/accel.js';
import { runRemote, type RunResult } from '../host/ssh.js';
import type { ImageDirectories } from '../images/build.js';
import type { Link } from '../link/index.js';
import { accessToL2, type ManagementTargets } from '../state/management-targets.js';
import type { InstancePaths } from '../state/paths.js';
import type { Secrets } from '../state/secrets.js';
import type { ConsoleAccess } from './console-access.js';
import type { InterruptPath } from './interrupt-path.js';
import type { L0Machine } from './l0/machine.js';
import type { LayerLog } from './layer-log.js';
import type { TestbedPlan } from './plan.js';

export const loopback = '127.0.0.1';

/** Limits of the phases on two cores under TCG, with room to spare; the configuration's `patience` multiplies them. */
export const limitsMs = {
  qemu: 20_000,
  'l1-xen': 60_000,
  link: 60_000,
  'l1-dom0': 150_000,
  l2: 240_000,
  'l2-own': 1_200_000,
  'irq-server': 90_000,
  vm: 120_000,
  login: 240_000,
  restore: 60_000,
  renew: 60_000,
  save: 120_000,
} as const;

/** What L1's dom0 takes to come up on that machine, milliseconds: a fixed piece of work, and long enough to measure with. */
export const usualDom0Ms = 8000;

/** Where L2's operator has `vm`. */
export const operatorPath = 'PATH=/usr/lib/vsbypass:$PATH';

export type LimitName = keyof typeof limitsMs;

/** The limit of a phase, whole milliseconds (AbortSignal.timeout takes no others), as the configuration's patience stretches it. */
export function limitOf(config: Config, name: LimitName): number {
  return Math.round(limitsMs[name] * config.patience);
}

export interface UpRequest {
  readonly warm: {
    readonly resume?: string | undefined;
    readonly must: boolean;
    readonly keep: boolean;
  };
  /** Whether to save the state of a machine that does not come up. */
  readonly keepFailed: boolean;
  readonly config: Config;
  readonly accel: AccelDecision;
  readonly images: ImageDirectories;
}

/** What a layer has said as it crashed. */
export interface Crash {
  readonly message: string;
  /** On the clock of performance.now(), milliseconds. */
  readonly at: number;
}

/** All that exists only while the machine of L0 runs. */
export interface Running {
  readonly paths: InstancePaths;
  readonly request: UpRequest;
  readonly plan: TestbedPlan;
  /** Those that are good in the layers now. */
  secrets: Secrets;
  readonly machine: L0Machine;
  /** What that machine itself complains about. */
  readonly l0: LayerLog;
  readonly l1: LayerLog;
  readonly l2: LayerLog;
  readonly hub: ConsoleHub;
  /** Whether a VM's COM1 is to be shadowed, where that was asked for; else the configuration says. */
  readonly hooks: Map<string, boolean>;
  /** User VMs that are to run: those that start by themselves, and as `vm start` and `vm stop` said since. */
  readonly wanted: Set<string>;
  /** Aborted with the reason when the testbed cannot go on, or is being taken down. */
  readonly failed: AbortController;
  /** Writes to the log of the daemon. */
  readonly log: (text: string) => void;
  /** What is typed on the console of L1: Xen's, or its dom0's. */
  l1Console?: Writable;
  link?: Link;
  interrupts?: InterruptPath;
  gateway?: Gateway;
  /** Who may use the consoles; there as soon as the gateway is. */
  access?: ConsoleAccess;
  management?: ManagementTargets;
  /** Of a system of the user's own, until it shows that it runs: it may start again by itself. */
  ownCrash?: Crash | undefined;
}

/** What was asked for since the boot, in the place of what the configuration says. */
export function takeUp(
  { wanted, hooks }: Pick<Running, 'wanted' | 'hooks'>,
  asked: { readonly wanted: readonly string[]; readonly hooks: Readonly<Record<string, boolean>> },
): void {
  wanted.clear();
  for (const vm of asked.wanted) wanted.add(vm);
  for (const [vm, on] of Object.entries(asked.hooks)) hooks.set(vm, on);
}

/** A VM whose name the configuration gives, whoever starts it. */
export interface NamedVm {
  readonly name: string;
  readonly uuid: string;
}

export function namedVms({ request, plan }: Pick<Running, 'request' | 'plan'>): NamedVm[] {
  const own = plan.vms.map(({ name, uuid }) => ({ name, uuid }));
  const uuids = new Set(own.map(({ uuid }) => uuid));
  return [...own, ...request.config.consoles.filter(({ uuid }) => !uuids.has(uuid))];
}

/**
 * The name of the VM that a word means: one with a configured name, whether it runs or not, or any that L1 knows.
 *
 * @throws VsbError E_VM_UNKNOWN, E_VM_AMBIGUOUS
 */
export function vmNameOf(running: Running, word: string): string {
  const known = running.hub.find(word);
  if (known !== undefined) return known.name;
  const configured = namedVms(running);
  const [meant, ...others] = meantBy(word, configured);
  if (meant !== undefined && others.length === 0) return meant.name;
  const names = [...configured, ...running.hub.list()].map(({ name }) => name);
  throw new VsbError('E_VM_UNKNOWN', `there is no user VM '${word}'`, {
    hint: hintOfKnown(word, [...new Set(names)]),
  });
}

/** @throws VsbError E_VM_UNKNOWN */
export function vmConfigOf(running: Running, name: string): VmConfig {
  const vm = running.request.config.vms.find((candidate) => candidate.name === name);
  if (vm !== undefined) return vm;
  const known = running.request.config.vms.map((candidate) => candidate.name);
  throw new VsbError('E_VM_UNKNOWN', `there is no user VM '${name}'`, {
    hint: hintOfKnown(name, known),
  });
}

/**
 * Runs a command of L2's operator, as root of L2, for as long as a user VM may take to start unless another limit is given.
 *
 * @throws VsbError E_L2_OWN where that is a system of the user's own; E_SSH; the signal's reason
 */
export async function runAsOperator(
  running: Running,
  command: string,
  options: { readonly signal: AbortSignal; readonly timeoutMs?: number },
): Promise<RunResult> {
  const { config } = running.request;
  assertOurSystem(config);
  return await runRemote(accessToL2(managed(running)), `${operatorPath}; ${command}`, {
    timeoutMs: limitOf(config, 'vm'),
    ...options,
  });
}

/** @throws VsbError E_L2_OWN */
function assertOurSystem({ l2 }: Config): void {
  if (l2.disk === undefined) return;
  throw new VsbError(
    'E_L2_OWN',
    'L2 is a system of your own: its VMs are managed by its own tools',
    {
      layer: 'L2',
      hint: 'With l2.ssh: `vsbypass l2 shell -- virsh start NAME`, or `xl create FILE`.',
    },
  );
}

/** How L1's dom0 and L2 are reached; known once the machine runs. */
export function managed(running: Running): NonNullable<Running['management']> {
  if (running.management === undefined) throw new TypeError('a running testbed can be managed');
  return running.management;
}
