/** The form of an error in documents and events. */
import { z } from 'zod';

export const errorDocumentSchema = z.object({
  /** `E_...`; `E_INTERNAL` for a bug. */
  code: z.string(),
  exitCode: z.int(),
  message: z.string(),
  hint: z.string().optional(),
  /** `host`, `L0` to `L3`, or `console`. */
  layer: z.string().optional(),
  /** Depends on the code: phase, log, lastLines, step... */
  details: z.record(z.string(), z.unknown()).optional(),
});
