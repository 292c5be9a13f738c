/** What the interrupt path of a testbed makes of its configuration. */
import { VsbError } from '../base/errors.js';
import type { Config, HltPolicy, IrqMode } from './schema.js';

/** L1 does it alone. */
export type ServerlessMode = Extract<IrqMode, 'direct' | 'doorbell'>;
/** An interrupt server in L2 raises the line. */
export type ServerMode = Exclude<IrqMode, ServerlessMode>;

export function needsServer(mode: IrqMode): mode is ServerMode {
  return mode === 'ultracall' || mode === 'net';
}

/** What is used as long as no server runs. */
export function serverlessMode(mode: IrqMode): ServerlessMode {
  return needsServer(mode) ? 'direct' : mode;
}

/** vCPUs that L2 needs for ultracalls: while a server waits in one, L2 can use its vCPU for nothing else. */
export const vcpusForUltracalls = 2;

/** vCPUs of L2. */
export function l2Vcpus(config: Config): number {
  return config.l2.vcpus ?? (config.irq === 'ultracall' ? vcpusForUltracalls : 1);
}

/** What suits the path: where L2 is told by a server, it need not be told from below. */
export function suitingHltPolicy(mode: IrqMode): HltPolicy {
  return needsServer(mode) ? 'never' : 'adaptive';
}

/** The HLT policy where the configuration leaves it open. */
export function hltPolicyOf(config: Config, mode: IrqMode): HltPolicy {
  return config.hltPolicy ?? suitingHltPolicy(mode);
}

/** @throws VsbError E_IRQ_MODE: this testbed cannot have that interrupt path */
export function assertIrqMode(config: Config, mode: IrqMode): void {
  if (mode !== 'ultracall' || l2Vcpus(config) >= vcpusForUltracalls) return;
  throw new VsbError(
    'E_IRQ_MODE',
    'ultracalls need a vCPU of L2 for the interrupt server alone, and L2 has one in all',
    {
      hint: `Set l2.vcpus to ${vcpusForUltracalls} or more, or leave it out and bring it up with --irq ultracall.`,
    },
  );
}
