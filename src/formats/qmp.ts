/**
 * The messages of QMP, the QEMU Machine Protocol (QEMU's docs/interop/qmp-spec): one JSON object a
 * line. The server greets, the client negotiates capabilities, then commands carry an `id` that the
 * answer repeats; events come at any time, without one.
 */
import { z } from 'zod';

export const greetingSchema = z.object({
  QMP: z.object({
    version: z.object({
      qemu: z.object({ major: z.number(), minor: z.number(), micro: z.number() }),
      package: z.string(),
    }),
    capabilities: z.array(z.unknown()),
  }),
});

export const answerSchema = z.union([
  z.object({ return: z.unknown(), id: z.unknown() }),
  z.object({
    error: z.object({ class: z.string(), desc: z.string() }),
    id: z.unknown().optional(),
  }),
]);

export const eventSchema = z.object({
  event: z.string(),
  data: z.record(z.string(), z.unknown()).optional(),
  timestamp: z.object({ seconds: z.number(), microseconds: z.number() }),
});

export interface QemuVersion {
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
}

export interface QmpEvent {
  /** As QEMU names it: `SHUTDOWN`, `RESET`, `GUEST_PANICKED`... */
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Host time, milliseconds since 1970. */
  readonly timeMs: number;
}
