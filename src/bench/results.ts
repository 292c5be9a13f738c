/** The results of a run, as data: the JSON document, what the reports are drawn from, what --compare reads. */
import { z } from 'zod';

import { accels } from '../config/schema.js';
import { endKinds } from './ends/end.js';
import { measureNames } from './measures/cell.js';

const quantitySchema = z.object({
  measure: z.enum(measureNames),
  configuration: z.string(),
  end: z.enum(endKinds),
  state: z.string(),
  unit: z.string(),
  better: z.enum(['lower', 'higher']),
});

const seriesSchema = quantitySchema.extend({
  wanted: z.number(),
  samples: z.array(
    z.object({
      /** Seconds since the run began. */
      at: z.number(),
      value: z.number(),
    }),
  ),
  /** Turns that do not count, with the reason. */
  failures: z.array(z.object({ at: z.number(), lost: z.boolean(), reason: z.string() })),
});
export type Series = z.output<typeof seriesSchema>;

const configurationSchema = z.object({
  id: z.string(),
  l2: z.enum(['kvm', 'xen']),
  title: z.string(),
  about: z.string(),
  /** Why it was not measured. */
  notAvailable: z.string().optional(),
});
export type ConfigurationResult = z.output<typeof configurationSchema>;

/** How often something happened for one unit of what was done. */
const anatomySchema = z.object({
  configuration: z.string(),
  /** `key`: one echoed key. `byte`: one byte written by `cat`. */
  per: z.enum(['key', 'byte']),
  units: z.number(),
  events: z.array(
    z.object({
      /** Where it is counted: L1's shadow hypervisor, or the hypervisor of L2, or of a host that is not nested. */
      layer: z.enum(['L1', 'L2']),
      event: z.string(),
      count: z.number(),
    }),
  ),
});
export type Anatomy = z.output<typeof anatomySchema>;

const environmentSchema = z.object({
  date: z.string(),
  version: z.string(),
  /** `kvm` or `tcg`; results of different ones are not compared. */
  accel: z.enum(accels),
  accelWhy: z.string(),
  cpu: z.string(),
  cpus: z.number(),
  memoryMiB: z.number(),
  kernel: z.string(),
  qemu: z.string(),
  node: z.string(),
  /** Load average of the last minute, at the beginning and at the end. */
  load: z.array(z.number()),
  /** Folders of the images, whose names end in the hash of what went in. */
  images: z.record(z.string(), z.string()),
  seed: z.number(),
});
export type Environment = z.output<typeof environmentSchema>;

export const resultsSchema = z.object({
  schemaVersion: z.literal(1),
  kind: z.literal('vsbypass-bench'),
  environment: environmentSchema,
  /** Whether everything that was planned was measured: not interrupted, not cut by the time. */
  complete: z.boolean(),
  /** Why not. */
  ended: z.string().optional(),
  seconds: z.number(),
  configurations: z.array(configurationSchema),
  series: z.array(seriesSchema),
  anatomy: z.array(anatomySchema),
});
export type Results = z.output<typeof resultsSchema>;
