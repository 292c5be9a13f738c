/** The user VMs as L2's operator sees them. */
import type { OperatorVm } from '../contract/answers.js';
import { runAsOperator, type Running } from './running.js';

/** @throws VsbError E_L2_OWN, E_SSH; the signal's reason */
export async function listVms(running: Running, signal: AbortSignal): Promise<OperatorVm[]> {
  const result = await runAsOperator(running, 'vm list', { signal });
  return parseVmList(result.stdout.toString());
}

/** `name<TAB>running|stopped<TAB>pid` lines of L2's `vm list`. */
export function parseVmList(output: string): OperatorVm[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', state, pid] = line.split('\t');
      return state === 'running'
        ? { name, state, pid: Number(pid) }
        : { name, state: 'stopped' as const };
    });
}
