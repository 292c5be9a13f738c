/** Runs the named phases of a boot one after the other, each with its limit, and says why one failed. */
import { abortable } from '../base/abortable.js';
import { ExitCode, VsbError, messageOf } from '../base/errors.js';
import type { BootEvent } from '../contract/events.js';
import { PhaseLimit, slowestPace, type Ending } from './phase-limit.js';
import type { Signs } from './signs-of-life.js';

export interface Phase {
  readonly name: string;
  readonly layer: 'L0' | 'L1' | 'L2' | 'L3';
  /** What is waited for: "waiting for ..." and "... did not come". */
  readonly awaited: string;
  readonly limitMs: number;
  /** What it takes on the machine for which the limits were chosen: a phase that has it tells how fast this one is. */
  readonly usualMs?: number;
  readonly hint: string;
  /** Asked when its time is up, before anything is taken down: a hint that says more, if there is one. */
  explain?(signal: AbortSignal): Promise<string | undefined>;
  /** Whether a layer that says and does nothing may only be idle. */
  readonly mayIdle?: boolean;
  /** The layer's log: its path, and its last lines when asked. */
  readonly log?: { readonly path: string; lastLines(): readonly string[] };
  run(signal: AbortSignal): Promise<void>;
}

export interface PhaseOptions {
  /** Ends the boot; its reason is thrown as it is. */
  readonly signal: AbortSignal;
  /** Aborted with a VsbError as soon as the testbed cannot come up any more, whatever phase it is. */
  readonly failed: AbortSignal;
  emit(event: BootEvent): void;
  /** What shows that the machine goes on; undefined where nothing is known of it yet. */
  signs?(): Promise<Signs | undefined>;
  /** Asked when a layer has failed, before anything is taken down: what is added to the details of the error. */
  evidence?(): Promise<Record<string, unknown>>;
  /** Milliseconds, monotonic. */
  now(): number;
}

/**
 * The limits follow the machine: by how long a phase took of which that is known (Phase.usualMs), and by its progress.
 *
 * @throws VsbError E_LAYER_TIMEOUT, E_LAYER_HUNG or E_LAYER_FAILED (exit 4) with layer, phase, what was waited for,
 *   the layer's last lines, a hint and the log's path; the reason of `signal` when it aborts
 */
export async function runPhases(phases: readonly Phase[], options: PhaseOptions): Promise<void> {
  const bootStart = options.now();
  let pace = 1;
  for (const phase of phases) {
    const { name, layer, awaited } = phase;
    const limitMs = Math.round(phase.limitMs * pace);
    const about = { type: 'phase', phase: name, layer, awaited, limitMs } as const;
    const start = options.now();
    options.emit({ ...about, reason: 'started' });
    const limit = new PhaseLimit({
      ...{ limitMs, pace, mayIdle: phase.mayIdle === true },
      signs: async () => await options.signs?.(),
      stretched: (stretchedMs) =>
        options.emit({ ...about, limitMs: stretchedMs, reason: 'stretched' }),
    });
    const signals = [options.signal, options.failed, limit.signal];
    try {
      await untilAborted(phase.run(AbortSignal.any(signals)), signals);
    } catch (error) {
      options.signal.throwIfAborted();
      options.emit({ ...about, reason: 'failed', elapsedMs: options.now() - start });
      const ending = options.failed.aborted ? undefined : limit.ending;
      const failure = phaseError({ ...phase, limitMs }, error, ending, options.failed);
      if (failure.exitCode !== ExitCode.layer) throw failure;
      const hint = ending === undefined ? undefined : await phase.explain?.(options.signal);
      options.signal.throwIfAborted();
      throw withDetails(failure, (await options.evidence?.()) ?? {}, hint);
    } finally {
      limit.stop();
    }
    const elapsedMs = options.now() - start;
    if (phase.usualMs !== undefined) {
      pace = Math.min(slowestPace, Math.max(pace, elapsedMs / phase.usualMs));
    }
    options.emit({
      ...about,
      reason: 'passed',
      elapsedMs,
      totalMs: options.now() - bootStart,
    });
  }
}

/** Settles as the work does, or rejects as soon as one of the signals aborts. */
async function untilAborted(work: Promise<void>, signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  if (any.aborted) {
    work.catch(() => undefined);
    throw any.reason;
  }
  await abortable(
    (resolve, reject) => {
      work.then(resolve, reject);
      return undefined;
    },
    { signal: any },
  );
}

function phaseError(
  phase: Phase,
  error: unknown,
  ending: Ending | undefined,
  failed: AbortSignal,
): VsbError {
  const cause: unknown = failed.aborted ? failed.reason : error;
  // What the host or the configuration lacks (a port that is taken) is no fault of the layer.
  if (cause instanceof VsbError && cause.exitCode !== ExitCode.layer && !ending) return cause;
  const known = cause instanceof VsbError ? cause : undefined;
  const { layer, name, awaited } = phase;
  const [code, what] =
    ending === undefined
      ? (['E_LAYER_FAILED', messageOf(cause)] as const)
      : ([codes[ending.kind], describe(ending)] as const);
  return new VsbError(code, `${layer} failed in phase ${name}, waiting for ${awaited}: ${what}`, {
    layer,
    hint: (ending ? undefined : known?.hint) ?? phase.hint,
    cause,
    details: {
      phase: name,
      awaited,
      limitMs: ending?.kind === 'late' ? ending.limitMs : phase.limitMs,
      ...(phase.log === undefined ? {} : { log: phase.log.path, lastLines: phase.log.lastLines() }),
    },
  });
}

const codes = { late: 'E_LAYER_TIMEOUT', hung: 'E_LAYER_HUNG' } as const;

function describe(ending: Ending): string {
  return ending.kind === 'late'
    ? `it did not come within ${ending.limitMs / 1000} s`
    : `the machine hangs: for ${(ending.quietMs / 1000).toFixed(0)} s no console has said anything, no disk was read or written, and no user VM has run`;
}

function withDetails(error: VsbError, more: Record<string, unknown>, hint = error.hint): VsbError {
  return new VsbError(error.code, error.message, {
    ...(hint === undefined ? {} : { hint }),
    ...(error.layer === undefined ? {} : { layer: error.layer }),
    cause: error.cause,
    details: { ...error.details, ...more },
  });
}
