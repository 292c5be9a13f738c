/**
 * What a new daemon needs to know to take over a QEMU whose daemon is gone: written when a boot is complete and
 * whenever it changes, removed when QEMU ends.
 */
import { rm } from 'node:fs/promises';

import { z } from 'zod';

import { readJson, writePrivateJson } from '../base/files.js';
import type { ProcessIdentity } from '../base/process-identity.js';
import { parameterSchemas } from '../contract/control.js';
import type { InstancePaths } from '../state/paths.js';
import type { Leftovers } from './leftovers.js';
import type { Running } from './running.js';

const resumeSchema = z.object({
  schemaVersion: z.literal(1),
  /** As `up` was asked. */
  request: parameterSchemas.up,
  /** ISO 8601: when the boot was complete. */
  since: z.string(),
  /** Where clients know the gateway to be. */
  gatewayPort: z.int(),
  /** Hooks that were switched, by VM. */
  hooks: z.record(z.string(), z.boolean()),
  /** User VMs that are to run. */
  wanted: z.array(z.string()),
});
export type Resume = z.output<typeof resumeSchema>;

export async function writeResume(running: Running, since: string): Promise<void> {
  const { paths, request, gateway, hooks, wanted } = running;
  if (gateway === undefined) throw new TypeError('a boot that is complete has a gateway');
  await writePrivateJson(paths.resume, {
    ...{ schemaVersion: 1, request, since, gatewayPort: gateway.port },
    ...{ hooks: Object.fromEntries(hooks), wanted: [...wanted] },
  });
}

export async function removeResume(paths: InstancePaths): Promise<void> {
  await rm(paths.resume, { force: true });
}

/** A QEMU that had booted, without a daemon. */
export interface Adoptable {
  readonly qemu: ProcessIdentity;
  /** Its make, for people. */
  readonly make: string;
  readonly resume: Resume;
}

/** What can be taken over, if anything. */
export async function findAdoptable(
  paths: InstancePaths,
  leftovers: Leftovers,
): Promise<Adoptable | undefined> {
  const { daemon, qemu, make } = leftovers;
  if (daemon !== undefined || qemu === undefined || make === undefined) return undefined;
  // A damaged file is as good as none: `up` then clears away and boots.
  const resume = await readJson(paths.resume, resumeSchema).catch(() => undefined);
  return resume === undefined ? undefined : { qemu, make, resume };
}
