/** The evidence of `vsbypass verify` as a schema; what each part means: src/contract/evidence.ts. */
import { z } from 'zod';

import {
  canaryKinds,
  encodings,
  type ChannelEvidence,
  type SelfTestReport,
  type VerifyReport,
} from '../evidence.js';
import { evidenceKinds } from '../watched.js';

const channelSchema = z.object({
  layer: z.enum(['L1', 'L2']),
  channel: z.string(),
  method: z.string(),
  bytesSearched: z.number(),
  bytesUnread: z.number(),
  seconds: z.number(),
  hits: z.array(
    z.object({
      canary: z.enum([...canaryKinds, 'planted']),
      encoding: z.enum(encodings),
      count: z.number(),
      where: z.array(z.string()),
    }),
  ),
}) satisfies z.ZodType<ChannelEvidence>;

export const verifySchema = z.object({
  schemaVersion: z.literal(1),
  vm: z.string(),
  verdict: z.enum(['protected', 'leak', 'inconclusive']),
  reasons: z.array(z.string()),
  seconds: z.number(),
  phases: z.array(
    z.object({
      mode: z.enum(['baseline', 'shadow']),
      channels: z.array(channelSchema),
      injection: z.object({
        bytes: z.number(),
        reached: z.number(),
        consoleAnswers: z.boolean(),
      }),
      com1Accesses: z.object({
        data: z.number(),
        others: z.record(z.string(), z.number()),
      }),
      seconds: z.number(),
    }),
  ),
  active: z
    .array(
      z.object({
        name: z.string(),
        method: z.string(),
        raises: z.enum(evidenceKinds),
        seen: z.number(),
      }),
    )
    .optional(),
}) satisfies z.ZodType<VerifyReport>;

export const selfTestSchema = z.object({
  schemaVersion: z.literal(1),
  vm: z.string(),
  passed: z.boolean(),
  missed: z.array(z.string()),
  seconds: z.number(),
  channels: z.array(channelSchema),
}) satisfies z.ZodType<SelfTestReport>;
