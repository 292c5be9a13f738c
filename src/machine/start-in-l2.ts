/** Starting a user VM as L2's operator does, and which of them `up` starts so. */
import { VsbError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import { shellQuote } from '../host/ssh.js';
import { runAsOperator, type Running } from './running.js';

/** Of what a VM's QEMU says, so much is kept. */
const saidBytes = 4096;

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

/**
 * @param options timeoutMs: that of the phase `vm` by default
 * @returns what the VM's QEMU has said, line by line
 * @throws VsbError E_VM_START, E_SSH; the signal's reason
 */
export async function startInL2(
  running: Running,
  name: string,
  options: { readonly signal: AbortSignal; readonly timeoutMs?: number },
): Promise<string[]> {
  const result = await runAsOperator(running, `vm start ${shellQuote(name)}`, options);
  if (result.code !== 0) {
    throw new VsbError('E_VM_START', `L2 cannot start ${name}: ${result.stderr.trim()}`, {
      layer: 'L2',
      hint: '`vsbypass vm list` shows what runs.',
    });
  }
  return saidIn(result.stdout);
}

/** L2 can say what it likes, and how much of it. */
export function saidIn(output: Buffer): string[] {
  return output
    .subarray(0, saidBytes)
    .toString('latin1')
    .split('\n')
    .map((line) => line.replace(/[^\x20-\x7e]+/g, ' ').trim())
    .filter((line) => line !== '');
}
