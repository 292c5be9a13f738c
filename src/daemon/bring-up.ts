/** Brings a testbed up, from a saved state where there is one that works, else by booting its layers. */
import { ExitCode, VsbError, messageOf } from '../base/errors.js';
import type { DaemonEvent, WarmEvent } from '../contract/events.js';
import { bootPhases } from '../machine/boot-phases.js';
import { collectEvidence } from '../machine/evidence.js';
import { runPhases, type Phase } from '../machine/phases.js';
import { resumePhases } from '../machine/resume-phases.js';
import type { Running, UpRequest } from '../machine/running.js';
import { chooseState } from '../machine/saved/choose.js';
import type { Access } from '../machine/saved/folder.js';
import { shareState } from '../machine/saved/keep.js';
import { SignsOfLife } from '../machine/signs-of-life.js';
import type { InstancePaths } from '../state/paths.js';

/** One `up`, and what it needs of the testbed. */
export interface BringUp {
  readonly paths: InstancePaths;
  readonly request: UpRequest;
  readonly signal: AbortSignal;
  readonly log: (text: string) => void;
  readonly emit: (event: DaemonEvent) => void;
  /** Starts the machine, with what gives access to the saved state that it is to be given. */
  start(resumed?: Access): Promise<Running>;
  /** Ends a machine that could not be given its saved state; another start follows. */
  startOver(): Promise<void>;
  /** The phase that runs now. */
  onPhase(name: string): void;
}

/** @throws VsbError exit 4 for a failed layer; the signal's reason */
export async function bringUp(up: BringUp): Promise<Running> {
  return (await resume(up)) ?? (await bootCold(up));
}

async function bootCold(up: BringUp): Promise<Running> {
  const running = await up.start();
  await runAll(up, running, bootPhases(running));
  if (up.request.warm.keep) {
    const told = await keptState(running, up.signal);
    if (told !== undefined) {
      up.log(`saved state: ${told.why}`);
      up.emit(told);
    }
  }
  return running;
}

/** Undefined where there is no saved state, or it does not work: then a cold boot follows. */
async function resume(up: BringUp): Promise<Running | undefined> {
  const { paths, request, signal } = up;
  const choice = await chooseState(paths, request);
  const tell = (reason: 'dropped' | 'not-used', why: string): void => {
    up.log(`saved state ${reason}: ${why}`);
    up.emit({ type: 'warm', reason, why });
  };
  const { chosen } = choice;
  if (chosen === undefined) {
    if (choice.why !== undefined) tell(choice.dropped ? 'dropped' : 'not-used', choice.why);
    return undefined;
  }
  try {
    const running = await up.start(chosen.access);
    await runAll(up, running, resumePhases(running, chosen));
    return running;
  } catch (error) {
    signal.throwIfAborted();
    // A port that is taken, or a full disk, is not the state's fault.
    const ofHost = error instanceof VsbError && error.exitCode === ExitCode.host;
    if (request.warm.must || ofHost) throw error;
    await up.startOver();
    await chosen.drop();
    tell('dropped', messageOf(error));
    return undefined;
  }
}

async function runAll(up: BringUp, running: Running, phases: readonly Phase[]): Promise<void> {
  const { signal, log } = up;
  const life = new SignsOfLife();
  await runPhases(phases, {
    signal,
    failed: running.failed.signal,
    now: () => performance.now(),
    signs: async () => await life.look(running),
    evidence: async () => {
      if (!running.machine.isOpen) return {};
      log('a layer has failed: keeping where it stands');
      try {
        return { evidence: await collectEvidence(running, running.request.keepFailed, signal) };
      } catch (error) {
        signal.throwIfAborted();
        // Why the layer failed is what counts, also on a full disk.
        log(`where it stands was not kept: ${messageOf(error)}`);
        return {};
      }
    },
    emit: (event) => {
      up.onPhase(event.phase);
      log(`phase ${event.phase} ${event.reason}`);
      up.emit(event);
    },
  });
}

/** Keeps the state that the next `up` begins with, if there is none. That it cannot be kept, for whatever reason, is none to fail. */
async function keptState(running: Running, signal: AbortSignal): Promise<WarmEvent | undefined> {
  try {
    const kept = await shareState(running, signal);
    if (kept === undefined) return undefined;
    const size = Math.round(kept.bytes / 1_048_576);
    const why = `${size} MiB in ${kept.seconds.toFixed(1)} s; the next \`up\` begins with it`;
    return { type: 'warm', reason: 'kept', why };
  } catch (error) {
    signal.throwIfAborted();
    running.failed.signal.throwIfAborted();
    return { type: 'warm', reason: 'not-kept', why: messageOf(error) };
  }
}
