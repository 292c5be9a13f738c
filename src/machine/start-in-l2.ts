/** Starting a user VM as L2's operator does, and which of them `up` starts so. */
import { VsbError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import { shellQuote } from '../host/ssh.js';
import { runAsOperator, type Running } from './running.js';

/**
 * User VMs that do not start with L2 but when the one before them is up. Where L2 is Xen, a user VM whose firmware or boot
 * loader waits for a disk polls for it, and takes the CPU from the dom0 that reads the disk: two at once needed 425 s to the
 * second login, one after the other 240 s, on a busy machine. Xen's own `xendomains` spaces them out, too.
 */
export function startedInTurn(config: Config): ReadonlySet<string> {
  if (config.l2.kind !== 'xen') return new Set();
  const started = config.vms.filter((vm) => vm.autostart).map((vm) => vm.name);
  return new Set(started.slice(1));
}

/** @throws VsbError E_VM_START, E_SSH; the signal's reason */
export async function startInL2(
  running: Running,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const result = await runAsOperator(running, `vm start ${shellQuote(name)}`, { signal });
  if (result.code !== 0) {
    throw new VsbError('E_VM_START', `L2 cannot start ${name}: ${result.stderr.trim()}`, {
      layer: 'L2',
      hint: '`vsbypass vm list` shows what runs.',
    });
  }
}
