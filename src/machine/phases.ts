/** Runs the named phases of a boot one after the other, each with its limit, and says why one failed. */
import { ExitCode, VsbError, messageOf } from '../base/errors.js';
import type { BootEvent } from '../contract/events.js';

export interface Phase {
  readonly name: string;
  readonly layer: 'L0' | 'L1' | 'L2' | 'L3';
  /** What is waited for: "waiting for ..." and "... did not come". */
  readonly awaited: string;
  readonly limitMs: number;
  readonly hint: string;
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
  /** Asked when a layer has failed, before anything is taken down: what is added to the details of the error. */
  evidence?(): Promise<Record<string, unknown>>;
  /** Milliseconds, monotonic. */
  now(): number;
}

/**
 * @throws VsbError E_LAYER_TIMEOUT or E_LAYER_FAILED (exit 4) with layer, phase, what was waited for,
 *   the layer's last lines, a hint and the log's path; the reason of `signal` when it aborts
 */
export async function runPhases(phases: readonly Phase[], options: PhaseOptions): Promise<void> {
  const bootStart = options.now();
  for (const phase of phases) {
    const { name, layer, awaited, limitMs } = phase;
    const about = { type: 'phase', phase: name, layer, awaited, limitMs } as const;
    const start = options.now();
    options.emit({ ...about, reason: 'started' });
    const deadline = AbortSignal.timeout(limitMs);
    try {
      await untilAborted(phase.run(AbortSignal.any([options.signal, options.failed, deadline])), [
        options.signal,
        options.failed,
        deadline,
      ]);
    } catch (error) {
      options.signal.throwIfAborted();
      options.emit({ ...about, reason: 'failed', elapsedMs: options.now() - start });
      const timedOut = deadline.aborted && !options.failed.aborted;
      const failure = phaseError(phase, error, timedOut, options.failed);
      if (failure.exitCode !== ExitCode.layer) throw failure;
      throw withDetails(failure, (await options.evidence?.()) ?? {});
    }
    options.emit({
      ...about,
      reason: 'passed',
      elapsedMs: options.now() - start,
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
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => reject(any.reason as Error);
    any.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => any.removeEventListener('abort', onAbort));
  });
}

function phaseError(
  phase: Phase,
  error: unknown,
  timedOut: boolean,
  failed: AbortSignal,
): VsbError {
  const cause: unknown = failed.aborted ? failed.reason : error;
  // What the host or the configuration lacks (a port that is taken) is no fault of the layer.
  if (cause instanceof VsbError && cause.exitCode !== ExitCode.layer && !timedOut) return cause;
  const why = timedOut ? `it did not come within ${phase.limitMs / 1000} s` : messageOf(cause);
  const known = cause instanceof VsbError ? cause : undefined;
  return new VsbError(
    timedOut ? 'E_LAYER_TIMEOUT' : 'E_LAYER_FAILED',
    `${phase.layer} failed in phase ${phase.name}, waiting for ${phase.awaited}: ${why}`,
    {
      layer: phase.layer,
      hint: (timedOut ? undefined : known?.hint) ?? phase.hint,
      cause,
      details: {
        phase: phase.name,
        awaited: phase.awaited,
        limitMs: phase.limitMs,
        ...(phase.log === undefined
          ? {}
          : { log: phase.log.path, lastLines: phase.log.lastLines() }),
      },
    },
  );
}

function withDetails(error: VsbError, more: Record<string, unknown>): VsbError {
  return new VsbError(error.code, error.message, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.layer === undefined ? {} : { layer: error.layer }),
    cause: error.cause,
    details: { ...error.details, ...more },
  });
}
