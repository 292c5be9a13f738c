/** The documents of `vsbypass console`. */
import { z } from 'zod';

import { grantInfoSchema } from '../answers.js';

const version = z.literal(1);

export const whoSchema = z.object({
  schemaVersion: version,
  vm: z.string(),
  sessions: z.array(
    z.object({
      /** Key and peer. */
      who: z.string(),
      may: z.enum(['write', 'watch']),
      /** Whether it is the one that types. */
      writes: z.boolean(),
      since: z.iso.datetime(),
      /** Output bytes that it was too slow for. */
      missed: z.int(),
    }),
  ),
});

export const runSchema = z.object({
  schemaVersion: version,
  vm: z.string(),
  /** The command's own. */
  exitCode: z.int(),
  output: z.string(),
});

export const grantSchema = z.object({ schemaVersion: version, grant: grantInfoSchema });
export const grantsSchema = z.object({ schemaVersion: version, grants: z.array(grantInfoSchema) });
export const revokedSchema = z.object({
  schemaVersion: version,
  revoked: z.array(grantInfoSchema),
});
