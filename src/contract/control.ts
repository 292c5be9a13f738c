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
import {
  countersSchema,
  grantInfoSchema,
  hookResultSchema,
  operatorVmSchema,
  proofSchema,
} from './answers.js';
import { daemonEventSchema } from './events.js';
import { irqStatusSchema, statusSchema } from './status.js';

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
