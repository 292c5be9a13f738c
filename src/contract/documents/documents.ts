/**
 * Every JSON document that the command line prints or reads, with the schema that describes it.
 * `scripts/schemas` writes them out as JSON Schemas (draft 2020-12) into schemas/, which the package
 * has; tests check real output against those.
 */
import { z } from 'zod';

import { accels, configSchema, l2Kinds, vendors } from '../../config/schema.js';
import { cacheKinds } from '../cache.js';
import { checkSchema } from '../check.js';
import { countersSchema, hookResultSchema, operatorStates, proofSchema } from '../answers.js';
import { imagesSchema } from '../control.js';
import { irqStatusSchema, statusSchema, vmStatusSchema } from '../status.js';
import { errorDocumentSchema } from '../error.js';
import { eventLineSchema } from '../event-stream.js';
import { grantSchema, grantsSchema, revokedSchema, runSchema, whoSchema } from './console.js';
import { selfTestSchema, verifySchema } from './verify.js';

const version = z.literal(1);
const accelSchema = z.object({
  accel: z.enum(accels),
  vendor: z.enum(vendors),
  why: z.string(),
  /** The CPU of L0's machine: the argument of QEMU's `-cpu` or Bochs' name of it, and the same for people. */
  cpu: z.object({ argument: z.string(), summary: z.string() }),
});
/** With `--show-password` also root's password. */
const instanceSchema = statusSchema.extend({
  vms: z.array(vmStatusSchema.extend({ password: z.string().optional() })),
});

/** How a user VM is run in L2: QEMU's command line, or xl's configuration and that of GRUB in it. */
const definitionSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('kvm'), command: z.array(z.string()) }),
  z.object({ kind: z.literal('xen'), domainConfig: z.string(), grubConfig: z.string().optional() }),
]);

const planSchema = z.object({
  schemaVersion: version,
  name: z.string(),
  accel: accelSchema,
  /** What runs L0's machine, also where that is Bochs. */
  qemu: z.object({
    program: z.string(),
    arguments: z.array(z.string()),
    workingDirectory: z.string(),
  }),
  xenCommandLine: z.string(),
  dom0CommandLine: z.string(),
  l2DomainConfig: z.string(),
  /** Files that tell L2 how to boot, where its domain configuration does not. */
  l2BootFiles: z.array(z.object({ path: z.string(), content: z.string() })),
  vms: z.array(z.object({ name: z.string(), uuid: z.string(), definition: definitionSchema })),
});

/** What L2 has done with a user VM when the command ends well. */
function operatorStateSchema(state: (typeof operatorStates)[number]): z.ZodType {
  return z.object({ schemaVersion: version, vm: z.string(), operatorState: z.literal(state) });
}

/** With what the VM's QEMU in L2 has said. */
const vmStartSchema = z.object({
  ...{ schemaVersion: version, vm: z.string(), operatorState: z.literal('running') },
  said: z.array(z.string()),
});

export interface PublishedDocument {
  /** What prints or reads it. */
  readonly title: string;
  readonly schema: z.ZodType;
  /** `input`: as a person writes it, with defaults left out. */
  readonly io?: 'input';
}

export const documents: Readonly<Record<string, PublishedDocument>> = {
  config: { title: 'vsbypass.json', schema: configSchema, io: 'input' },
  status: { title: 'up --json, status --json', schema: instanceSchema },
  'status-all': {
    title: 'status --all --json',
    schema: z.object({ schemaVersion: version, instances: z.array(instanceSchema) }),
  },
  event: { title: 'one line of --events', schema: eventLineSchema },
  error: {
    title: 'what a failed command prints with --json',
    schema: z.object({ schemaVersion: version, error: errorDocumentSchema }),
  },
  plan: { title: 'up --dry-run --json', schema: planSchema },
  irq: {
    title: 'irq --json',
    schema: irqStatusSchema.extend({ schemaVersion: version }),
  },
  down: {
    title: 'down --json',
    schema: z.object({
      schemaVersion: version,
      instances: z.array(z.object({ name: z.string(), wasUp: z.boolean() })),
    }),
  },
  doctor: {
    title: 'doctor --json',
    schema: z.object({
      schemaVersion: version,
      ok: z.boolean(),
      accel: accelSchema.optional(),
      checks: z.array(checkSchema),
    }),
  },
  build: {
    title: 'build --json',
    schema: z.object({
      schemaVersion: version,
      /** Folders by the names of images/build. */
      images: z.record(z.string(), z.string()),
      /** With `--state`; `made`: it was not there already. */
      state: z.object({ key: z.string(), bytes: z.number(), made: z.boolean() }).optional(),
    }),
  },
  'build-key': {
    title: 'build --key --json',
    schema: z.object({ schemaVersion: version, key: z.string() }),
  },
  logs: {
    title: 'logs --json',
    schema: z.object({
      schemaVersion: version,
      layer: z.string(),
      lines: z.array(z.object({ time: z.iso.datetime().optional(), text: z.string() })),
    }),
  },
  'vm-list': {
    title: 'vm list --json',
    schema: z.object({
      schemaVersion: version,
      vms: z.array(
        vmStatusSchema.extend({
          operatorState: z.enum([...operatorStates, 'unknown']),
          operatorPid: z.int().optional(),
        }),
      ),
    }),
  },
  'l2-screen': {
    title: 'l2 screen --json',
    schema: z.object({
      schemaVersion: version,
      file: z.string(),
      width: z.int(),
      height: z.int(),
    }),
  },
  'vm-start': { title: 'vm start --json', schema: vmStartSchema },
  'vm-stop': { title: 'vm stop --json', schema: operatorStateSchema('stopped') },
  'vm-hook': {
    title: 'vm hook --json',
    schema: hookResultSchema.extend({ schemaVersion: version }),
  },
  snapshot: {
    title: 'snapshot save --json',
    schema: z.object({
      schemaVersion: version,
      name: z.string(),
      bytes: z.number(),
      seconds: z.number(),
    }),
  },
  'snapshot-list': {
    title: 'snapshot list --json',
    schema: z.object({
      schemaVersion: version,
      snapshots: z.array(
        z.object({
          name: z.string(),
          bytes: z.number(),
          createdAt: z.iso.datetime().optional(),
          images: imagesSchema.optional(),
        }),
      ),
      /** That `up` keeps for any instance of the same make. What is damaged, or being written, has no date. */
      shared: z.array(
        z.object({
          key: z.string(),
          bytes: z.number(),
          createdAt: z.iso.datetime().optional(),
          usedAt: z.iso.datetime().optional(),
          l2: z.enum(l2Kinds).optional(),
          vms: z.int().optional(),
        }),
      ),
    }),
  },
  report: {
    title: 'report --json',
    schema: z.object({
      schemaVersion: version,
      file: z.string(),
      entries: z.array(z.object({ file: z.string(), bytes: z.number(), redacted: z.number() })),
    }),
  },
  prune: {
    title: 'prune --json',
    schema: z.object({
      schemaVersion: version,
      /** Nothing was removed, all of it would be. */
      dryRun: z.boolean(),
      /** Of all together. */
      bytes: z.number(),
      /** Saved states that belong to any instance. */
      shared: z.array(z.object({ key: z.string(), bytes: z.number() })),
      /** Saved states of instances. */
      removed: z.array(z.object({ instance: z.string(), name: z.string(), bytes: z.number() })),
      cache: z.array(z.object({ kind: z.enum(cacheKinds), path: z.string(), bytes: z.number() })),
    }),
  },
  proof: { title: 'proof --json', schema: proofSchema.extend({ schemaVersion: version }) },
  stock: {
    title: 'stock --json',
    schema: z.object({
      schemaVersion: version,
      packages: z.array(z.object({ name: z.string(), version: z.string(), files: z.int() })),
      changed: z.array(z.object({ path: z.string(), package: z.string() })),
      others: z.array(z.string()),
    }),
  },
  counters: { title: 'counters --json', schema: countersSchema.extend({ schemaVersion: version }) },
  'console-who': { title: 'console who --json', schema: whoSchema },
  'console-run': { title: 'console run --json', schema: runSchema },
  'console-grant': { title: 'console grant --json', schema: grantSchema },
  'console-grants': { title: 'console grants --json', schema: grantsSchema },
  'console-revoke': { title: 'console revoke --json', schema: revokedSchema },
  verify: { title: 'verify --json', schema: verifySchema },
  'verify-self-test': { title: 'verify --self-test --json', schema: selfTestSchema },
};

/** The JSON Schema of a document. */
export function jsonSchemaOf(name: string, { title, schema, io }: PublishedDocument): object {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: io ?? 'output' });
  return { $schema, $id: `vsbypass:${name}`, title, ...rest };
}
