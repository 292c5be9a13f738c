/**
 * What happens while the testbed comes up, as data. The daemon and the build emit these, reporters
 * render them; nothing else prints. They travel as JSON between daemon and client.
 */
import { z } from 'zod';

export const layers = ['host', 'L0', 'L1', 'L2', 'L3'] as const;

/** A named step of the boot with a limit of its own. */
const phaseFields = {
  type: z.literal('phase'),
  /** `qemu`, `l1-xen`, `link`, `l1-dom0`, `l2`, `vm:<name>`, `login:<name>`; resumed: `qemu`, `restore`, `link`, `renew`. */
  phase: z.string(),
  layer: z.enum(layers),
  /** What is waited for, as in "waiting for ...". */
  awaited: z.string(),
  limitMs: z.number(),
};

export const bootEventSchema = z.discriminatedUnion('reason', [
  z.object({ ...phaseFields, reason: z.literal('started') }),
  z.object({
    ...phaseFields,
    reason: z.literal('passed'),
    elapsedMs: z.number(),
    /** Since the boot began. */
    totalMs: z.number(),
  }),
  /** The limit was over while the machine made progress: it is `limitMs` now. */
  z.object({ ...phaseFields, reason: z.literal('stretched') }),
  z.object({ ...phaseFields, reason: z.literal('failed'), elapsedMs: z.number() }),
]);

export type BootEvent = z.output<typeof bootEventSchema>;

/** What became of the saved state that `up` could use or has made. */
export const warmEventSchema = z.object({
  type: z.literal('warm'),
  reason: z.enum(['kept', 'not-kept', 'dropped', 'not-used']),
  /** One sentence. */
  why: z.string(),
});

export type WarmEvent = z.output<typeof warmEventSchema>;

/** What the daemon reports while it boots. */
export const daemonEventSchema = z.union([bootEventSchema, warmEventSchema]);
export type DaemonEvent = z.output<typeof daemonEventSchema>;

/** Everything that `up` reports on its way. */
export const upEventSchemas = [
  ...bootEventSchema.options,
  warmEventSchema,
  z.object({
    type: z.literal('accel'),
    accel: z.string(),
    vendor: z.string().optional(),
    why: z.string(),
  }),
  z.object({ type: z.literal('build'), reason: z.literal('started') }),
  z.object({ type: z.literal('build'), reason: z.literal('progress'), line: z.string() }),
  z.object({ type: z.literal('build'), reason: z.literal('passed'), elapsedMs: z.number() }),
  z.object({ type: z.literal('recovered'), what: z.string() }),
] as const;
export type UpEvent = z.output<(typeof upEventSchemas)[number]>;
