/** Counts what the hypervisor of L2, or of a host that is not nested, does for its user VMs. */
import { VsbError } from '../../base/errors.js';
import { runRemote, type SshTarget } from '../../host/ssh.js';

export interface ExitCounter {
  /** @throws VsbError E_SSH; the signal's reason */
  start(operator: SshTarget, signal: AbortSignal): Promise<void>;
  /** What there was since then, by event. */
  stop(operator: SshTarget, signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
}

/** @throws VsbError E_SSH with what it has said; the signal's reason */
export async function runForTrace(
  operator: SshTarget,
  command: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const result = await runRemote(operator, command, { signal, timeoutMs: 60_000 });
  if (result.code === 0) return result.stdout;
  throw new VsbError('E_SSH', `L2's hypervisor cannot be traced: ${result.stderr.trim()}`, {
    layer: 'L2',
  });
}
