/** One thing that was looked at on this host. */
import { z } from 'zod';

export const checkSchema = z.object({
  id: z.string(),
  title: z.string(),
  /** `fail`: `up` cannot work. `warn`: something works less well, or later. `skip`: of no matter here. */
  result: z.enum(['pass', 'warn', 'fail', 'skip']),
  /** What was found, one sentence. */
  found: z.string(),
  /** What helps: a command where there is one. */
  remedy: z.string().optional(),
});
export type Check = z.output<typeof checkSchema>;
