/** The status of an instance, as `vsbypass status --json` tells it. */
import { z } from 'zod';

import { irqModes } from '../config/schema.js';
import { layerHealthSchema } from './health.js';
import { watchedSchema } from './watched.js';

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
