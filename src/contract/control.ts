/**
 * The control protocol between the command line and an instance's daemon: JSON, one document a line,
 * over a UNIX socket in the instance's private runtime folder. Requests carry an id; the daemon answers
 * with any number of events and then one result or error of the same id.
 */
import { z } from 'zod';

import {
  accels,
  configSchema,
  consoleWordPattern,
  hltPolicies,
  irqModes,
  vendors,
  vmNamePattern,
  withDefaultVms,
} from '../config/schema.js';
import { daemonEventSchema } from './events.js';
import { layerHealthSchema } from './health.js';
import { watchedSchema } from './watched.js';

const vmParameters = z.strictObject({ vm: z.string().regex(vmNamePattern) });
/** Any that the shadow hypervisor knows: by name, UUID, or the beginning of that. */
const consoleParameters = z.strictObject({ vm: z.string().regex(consoleWordPattern) });
const noParameters = z.strictObject({}).prefault({});

/** Folders of the images that an instance boots. */
export const imagesSchema = z.strictObject({
  xen: z.string(),
  l1: z.string(),
  l2: z.string().optional(),
  bochs: z.string().optional(),
});

/** Parameters of each method. */
export const parameterSchemas = {
  /** Boots; the connection must stay: when it goes before the answer, the boot is undone. */
  up: z.strictObject({
    config: configSchema.transform((parsed) => withDefaultVms(parsed, undefined)),
    accel: z.strictObject({
      accel: z.enum(accels),
      vendor: z.enum(vendors).default('amd'),
      why: z.string(),
      cpu: z.strictObject({ argument: z.string(), summary: z.string() }),
    }),
    images: imagesSchema,
    /** Whether to save the state of a machine that does not come up, for a debugger. */
    keepFailed: z.boolean().default(false),
    /** Saved states: which one to resume, whether nothing else will do, whether to keep one. */
    warm: z
      .strictObject({
        resume: z.string().optional(),
        must: z.boolean().default(false),
        keep: z.boolean().default(false),
      })
      .prefault({}),
  }),
  /** Ends everything, the daemon too. */
  down: noParameters,
  /** Layers are asked first, which takes as long as the slowest of them; else it is what the daemon knows. */
  status: z.strictObject({ ask: z.boolean().default(true) }).prefault({}),
  'vm.start': vmParameters,
  'vm.stop': vmParameters,
  /** The state of user VMs as L2's operator sees it. */
  'vm.list': noParameters,
  /** Shadows COM1 of a user VM, or leaves it to L2; holds for its later starts too. */
  'vm.hook': consoleParameters.extend({ on: z.boolean() }),
  /** When HLTs of a user VM are captured, until it ends. */
  'vm.hlt': consoleParameters.extend({ policy: z.enum(hltPolicies) }),
  /** Makes this connection the VM's console after the answer: its bytes as they are, both ways. */
  'console.attach': consoleParameters,
  /** Stops L0's machine, clocks and all, or lets it go on. */
  pause: z.strictObject({ paused: z.boolean() }),
  /** How L2 is made to raise interrupts of user VMs, from now on. */
  'irq.set': z.strictObject({ mode: z.enum(irqModes) }),
  /** Keeps the state of the whole stack under a name; the guests stand still for a second or two. */
  'snapshot.save': z.strictObject({ name: z.string() }),
  /** What L2's own serial device of a user VM has seen, beside what its shadow console has. */
  proof: consoleParameters,
  /** Lets a key use a VM's console, as long as it is said. */
  'console.grant': consoleParameters.extend({
    key: z.string().max(16_384),
    role: z.enum(['write', 'watch']),
    ttlSeconds: z.int().min(1).optional(),
    once: z.boolean(),
  }),
  /** Takes grants back: all of the VM's, or one by its id, or those of a key by its fingerprint. */
  'console.revoke': consoleParameters.extend({ which: z.string().max(200).optional() }),
  'console.grants': noParameters,
  /** What the shadow hypervisor has counted. */
  counters: noParameters,
  /** The end of what L2's own serial device has logged. */
  'vm.operator-log': vmParameters.extend({ bytes: z.int().min(1).max(1_048_576) }),
} as const;

export type Method = keyof typeof parameterSchemas;
export type Parameters<M extends Method> = z.input<(typeof parameterSchemas)[M]>;

export const vmStatusSchema = z.object({
  name: z.string(),
  /** Its label (SMBIOS UUID): the configured one, or what its firmware says. */
  uuid: z.string().optional(),
  /**
   * `doubtful`: the VM could have written its label itself, so that no name stands for it; `shared`: another VM runs with the
   * same one.
   */
  label: z.enum(['doubtful', 'shared']).optional(),
  /** What a VM with a doubtful label says that it is. */
  claims: z.string().optional(),
  /** The others of a shared label, by their slots. */
  sharedWith: z.array(z.string()).optional(),
  /** `absent`: the shadow hypervisor has not seen it (yet). */
  state: z.enum(['absent', 'running', 'silent', 'gone', 'lost']),
  slot: z.number().optional(),
  hooked: z.boolean().optional(),
  /** What was seen of an L2 that watches it; absent where nothing was. */
  watched: z.array(watchedSchema).optional(),
  sessions: z.number(),
  /** Bytes that went through the shadow console. */
  bytesOut: z.number(),
  bytesIn: z.number(),
});
export type VmStatus = z.output<typeof vmStatusSchema>;

export const irqStatusSchema = z.object({
  /** As asked for. */
  mode: z.enum(irqModes),
  /** With a server in L2: what L1 does now, another path while the server does not run; how often it was started again. */
  active: z.enum(irqModes).optional(),
  restarts: z.number().optional(),
});
export type IrqStatus = z.output<typeof irqStatusSchema>;

const addressSchema = z.object({ host: z.string(), port: z.number() });

/**
 * `absent`: never brought up. `degraded`: it runs, but a layer does not do its part. `broken`: only a
 * new `up`, or `down`, helps.
 */
export const instanceStates = [
  'absent',
  'stopped',
  'starting',
  'running',
  'degraded',
  'broken',
  'stopping',
] as const;
export type InstanceState = (typeof instanceStates)[number];

/** Whether its consoles can be used. */
export function isUp(state: InstanceState): boolean {
  return state === 'running' || state === 'degraded';
}

export const statusSchema = z.object({
  schemaVersion: z.literal(1),
  name: z.string(),
  state: z.enum(instanceStates),
  /** Why it is broken or degraded. */
  reason: z.string().optional(),
  /** The phase a boot is in. */
  phase: z.string().optional(),
  /** ISO 8601: when the boot was complete. */
  since: z.string().optional(),
  accel: z.object({ accel: z.string(), vendor: z.string().optional(), why: z.string() }).optional(),
  /** The layers, each with a sign of life that is at most some seconds old; absent unless it is up. */
  layers: z.array(layerHealthSchema).optional(),
  /** The last time that the clock of this host was set while the instance was up. */
  clockJump: z.object({ seconds: z.number(), at: z.string() }).optional(),
  processes: z.object({ daemon: z.number().optional(), qemu: z.number().optional() }),
  gateway: addressSchema
    .extend({ hostKeyFingerprint: z.string(), hostKeyLine: z.string(), clientKeyPath: z.string() })
    .optional(),
  /** SSH of L1's dom0 and of L2, root, with the instance's management key. */
  management: z
    .object({
      l1: addressSchema,
      /** Absent for a system of the user's own that does not let us in. */
      l2: addressSchema
        .extend({
          /** Where it does: as whom, with the key in which file. */
          own: z
            .object({ user: z.string(), key: z.string(), hostKey: z.string().optional() })
            .optional(),
        })
        .optional(),
      keyPath: z.string(),
    })
    .optional(),
  shadowHypervisor: z
    .object({
      version: z.string(),
      slots: z.number(),
      /** Frames dropped for a bad checksum, size, escape or content, both sides. */
      badFrames: z.number(),
    })
    .optional(),
  irq: irqStatusSchema.optional(),
  vms: z.array(vmStatusSchema),
});
export type InstanceStatus = z.output<typeof statusSchema>;

export const operatorStates = ['running', 'stopped'] as const;
const operatorVmSchema = z.object({
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

/** What each method returns. */
export const resultSchemas = {
  up: statusSchema,
  down: z.object({}),
  status: statusSchema,
  /** What the VM's QEMU in L2 has said as it started, line by line. */
  'vm.start': z.object({ said: z.array(z.string()).default([]) }),
  'vm.stop': z.object({}),
  'vm.list': z.array(operatorVmSchema),
  'vm.hook': hookResultSchema,
  'vm.hlt': z.object({}),
  'console.attach': z.object({}),
  pause: z.object({}),
  'irq.set': irqStatusSchema,
  'snapshot.save': z.object({ bytes: z.number(), seconds: z.number() }),
  proof: proofSchema,
  'console.grant': grantInfoSchema,
  'console.revoke': z.array(grantInfoSchema),
  'console.grants': z.array(grantInfoSchema),
  counters: countersSchema,
  'vm.operator-log': z.object({ text: z.string() }),
} as const satisfies Record<Method, z.ZodType>;

export type ResultOf<M extends Method> = z.output<(typeof resultSchemas)[M]>;

export const requestSchema = z.object({
  id: z.int(),
  method: z.string(),
  params: z.unknown().optional(),
});

/** A failure of the daemon, on its way to the command line. */
export const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  layer: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});

export const replySchema = z.union([
  z.object({ id: z.int(), event: daemonEventSchema }),
  z.object({ id: z.int(), error: errorSchema }),
  z.object({ id: z.int(), result: z.unknown() }),
]);

/** Longest line either side accepts. */
export const maximumLineBytes = 4 * 1024 * 1024;
