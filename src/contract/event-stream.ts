/** The stream of `--events`: what `up` reports on its way, and what each command ends with. */
import { z } from 'zod';

import { statusSchema } from './status.js';
import { errorDocumentSchema } from './error.js';
import { upEventSchemas, type UpEvent } from './events.js';

const endSchemas = [
  /** How an instance is: the end of a successful `up`, and each change that `status --watch` sees. */
  z.object({ type: z.literal('status'), status: statusSchema }),
  /** An instance has been taken down; `wasUp`: there was something to end. */
  z.object({ type: z.literal('down'), name: z.string(), wasUp: z.boolean() }),
  /** The command has failed: always the last one. */
  z.object({ type: z.literal('error'), error: errorDocumentSchema }),
] as const;
export type StreamEvent = UpEvent | z.output<(typeof endSchemas)[number]>;

const lineFields = { schemaVersion: z.literal(1), time: z.iso.datetime() };

/** One line of the stream. */
export const eventLineSchema = z.union(
  [...upEventSchemas, ...endSchemas].map((schema) => schema.extend(lineFields)),
);
