/** What the daemon answers to what is no status: hooks, proofs, counters, grants. */
import { z } from 'zod';

export const operatorStates = ['running', 'stopped'] as const;
export const operatorVmSchema = z.object({
  name: z.string(),
  state: z.enum(operatorStates),
  /** Process id of its QEMU in L2. */
  pid: z.number().optional(),
});
export type OperatorVm = z.output<typeof operatorVmSchema>;

export const hookResultSchema = z.object({
  vm: z.string(),
  /** Whether its COM1 is shadowed now; absent: the VM does not run, and will be as asked when it does. */
  hooked: z.boolean().optional(),
});
export type HookResult = z.output<typeof hookResultSchema>;

export const proofSchema = z.object({
  vm: z.string(),
  /** Bytes in the log of L2's own serial device for this VM; a system of the user's own has no such log of ours. */
  operatorBytes: z.number().optional(),
  /** There, what L1 says: whether it handles COM1 itself now, and how many accesses it has handled. */
  l1: z.object({ hooked: z.boolean(), accesses: z.number() }).optional(),
  /** Bytes that the shadow console has shown. */
  shadowBytes: z.number(),
});
export type Proof = z.output<typeof proofSchema>;

/** Names as in docs/link-protocol.md. */
const counterSchema = z.record(z.string(), z.number());
export const countersSchema = z.object({
  hypervisor: counterSchema,
  vms: z.array(z.object({ name: z.string(), counters: counterSchema })),
});
export type Counters = z.output<typeof countersSchema>;

export const grantInfoSchema = z.object({
  id: z.string(),
  /** Absent: all VMs. */
  vm: z.string().optional(),
  role: z.enum(['write', 'watch']),
  once: z.boolean(),
  /** ISO 8601; absent: until it is revoked. */
  expires: z.string().optional(),
  source: z.enum(['instance', 'configuration', 'command']),
  /** The key's comment, else its fingerprint. */
  key: z.string(),
  fingerprint: z.string(),
});
export type GrantInfo = z.output<typeof grantInfoSchema>;
