/** The messages of the link, both directions, as one discriminated union each. Their byte forms: from-l1.ts, to-l1.ts. */
import type { EvidenceKind } from '../contract/watched.js';

/** The only version there is so far. */
export const PROTOCOL_VERSION = 1;

/** Bytes of console data in one DATA message at most: the body less its offset, rounded down. */
export const MAX_DATA = 248;

/** The type bytes of frames. */
export const type = {
  // L1 to L0
  hello: 0x01,
  vm: 0x02,
  output: 0x03,
  inputAck: 0x04,
  counters: 0x05,
  result: 0x06,
  line: 0x07,
  // L0 to L1
  helloRequest: 0x81,
  input: 0x83,
  outputAck: 0x84,
  getCounters: 0x85,
  hook: 0x86,
  hltPolicy: 0x87,
  break: 0x88,
  attached: 0x89,
  forget: 0x8a,
  irqMode: 0x8b,
  hold: 0x8c,
} as const;

/** `running`, not seen running for 10 s, or gone (its slot is free). */
export type VmState = 'running' | 'silent' | 'gone';
export const vmStates: readonly VmState[] = ['running', 'silent', 'gone'];

/** When a HLT of a user VM is kept from L2 (docs: HLT capture). */
export type HltPolicy = 'never' | 'adaptive' | 'attached' | 'always';
export const hltPolicies: readonly HltPolicy[] = ['never', 'adaptive', 'attached', 'always'];

/** How the virtualized system is made to raise a user VM's IRQ 4 (docs/interrupt-paths.md). */
export type IrqMode = 'doorbell' | 'ultracall' | 'net' | 'direct';
export const irqModes: readonly IrqMode[] = ['doorbell', 'ultracall', 'net', 'direct'];

export type ResultStatus = 'ok' | 'no-such-vm' | 'bad-argument';
export const resultStatuses: readonly ResultStatus[] = ['ok', 'no-such-vm', 'bad-argument'];

/** Which VM a message is about. */
export interface SlotAddress {
  readonly slot: number;
  readonly generation: number;
}

/** What the hypervisor says about itself. */
export interface HelloRecord {
  readonly version: number;
  /** How many user VMs it can shadow at once. */
  readonly slots: number;
  /** Output it keeps for each VM until acknowledged, bytes. */
  readonly outRing: number;
  /** Input it takes for each VM ahead of the VM's reading, bytes. */
  readonly inRing: number;
  /** Different at each boot of L1. */
  readonly bootId: bigint;
  readonly xenVersion: string;
}

/** What the hypervisor says about one user VM. */
export interface VmRecord extends SlotAddress {
  readonly state: VmState;
  /** Whether its COM1 is shadowed, or left to the virtualized system. */
  readonly hooked: boolean;
  /** The L1 domain that it runs in. */
  readonly domid: number;
  /** SMBIOS UUID as printed, once L1 has found it: a label, not proof. */
  readonly uuid: string | undefined;
  /** The VM could have written that label itself, or has had another: no name stands for it. */
  readonly doubtful: boolean;
  /** It got a vCPU long after its start. */
  readonly grown: boolean;
  /** What was seen in the last ten seconds. */
  readonly evidence: readonly EvidenceKind[];
  /** Positions in the VM's streams, u32: output acknowledged, output produced, next input expected. */
  readonly outAcked: number;
  readonly outEnd: number;
  readonly inNext: number;
}

export type FromL1 =
  | { readonly type: 'hello'; readonly hello: HelloRecord }
  | { readonly type: 'vm'; readonly vm: VmRecord }
  | ({ readonly type: 'output'; readonly offset: number; readonly bytes: Buffer } & SlotAddress)
  | ({ readonly type: 'inputAck'; readonly next: number; readonly window: number } & SlotAddress)
  | ({
      readonly type: 'counters';
      readonly tag: number;
      readonly values: readonly bigint[];
    } & SlotAddress)
  | ({
      readonly type: 'result';
      readonly tag: number;
      readonly requestType: number;
      readonly status: ResultStatus;
    } & SlotAddress)
  | ({ readonly type: 'line'; readonly high: boolean } & SlotAddress);

/** A request that L1 answers with RESULT, or with COUNTERS, and the same tag. */
export type Request =
  | { readonly type: 'getCounters' }
  | { readonly type: 'hook'; readonly on: boolean }
  | { readonly type: 'hltPolicy'; readonly policy: HltPolicy }
  | { readonly type: 'break' }
  | { readonly type: 'attached'; readonly sessions: number }
  | { readonly type: 'forget' }
  | { readonly type: 'irqMode'; readonly mode: IrqMode }
  | { readonly type: 'hold'; readonly milliseconds: number };

export type ToL1 =
  | { readonly type: 'hello'; readonly version: number }
  | ({ readonly type: 'input'; readonly offset: number; readonly bytes: Buffer } & SlotAddress)
  | ({ readonly type: 'outputAck'; readonly next: number; readonly resend: boolean } & SlotAddress)
  | (Request & { readonly tag: number } & SlotAddress);

/** The type byte of a request, which RESULT repeats. */
export function requestTypeOf(request: Request): number {
  return type[request.type];
}
