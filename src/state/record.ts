/** What is kept of an instance: how it was made (survives `down`), and which processes it has. */
import { createHash } from 'node:crypto';

import { z } from 'zod';

import { readJson, writePrivateJson } from '../base/files.js';
import { processIdentitySchema } from '../base/process-identity.js';
import { uuidText } from '../base/uuid.js';
import { accels, configSchema, vendors, withDefaultVms, type Config } from '../config/schema.js';
import type { AccelDecision } from '../host/accel.js';
import type { InstancePaths } from './paths.js';

const recordSchema = z.object({
  schemaVersion: z.literal(1),
  name: z.string(),
  createdAt: z.string(),
  accel: z.object({ accel: z.enum(accels), vendor: z.enum(vendors).optional(), why: z.string() }),
  config: configSchema.transform((parsed) => withDefaultVms(parsed, undefined)),
});

/** How an instance was last brought up. */
export interface InstanceRecord {
  readonly schemaVersion: 1;
  readonly name: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly accel: Pick<AccelDecision, 'accel' | 'why'> & Partial<Pick<AccelDecision, 'vendor'>>;
  readonly config: Config;
}

const processesSchema = z.object({
  daemon: processIdentitySchema.optional(),
  qemu: processIdentitySchema.optional(),
});
export type Processes = z.output<typeof processesSchema>;

export async function readRecord(paths: InstancePaths): Promise<InstanceRecord | undefined> {
  return await readJson(paths.record, recordSchema);
}

export async function writeRecord(paths: InstancePaths, record: InstanceRecord): Promise<void> {
  await writePrivateJson(paths.record, record);
}

export async function readProcesses(paths: InstancePaths): Promise<Processes> {
  return (await readJson(paths.processes, processesSchema)) ?? {};
}

export async function writeProcesses(paths: InstancePaths, processes: Processes): Promise<void> {
  await writePrivateJson(paths.processes, processes);
}

/** The name space of our UUIDs: made once at random. */
const nameSpace = Buffer.from('6f1c1d3e2b0b4a0e9c6d6a4a5be7a5d1', 'hex');

/** Of a UUID, its last field: the same in all that belong to one instance. */
export const nodeBytes = 6;

/**
 * The SMBIOS UUID of a user VM, from its name and its instance's (RFC 9562, version 8): the same at every start, so that the
 * console keeps its name. All of an instance have the last field in common, so that a saved state is searched for them at once.
 */
export function vmUuid(instance: string, vm: string): string {
  const node = digestOf(instance).subarray(0, nodeBytes);
  const bytes = Buffer.concat([digestOf(`${instance}/${vm}`).subarray(0, 16 - nodeBytes), node]);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuidText(bytes);
}

/** The UUID of the domain that L2 is: no user VM has an empty name. */
export function l2Uuid(instance: string): string {
  return vmUuid(instance, '');
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(nameSpace).update(text).digest();
}
