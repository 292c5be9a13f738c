/** The machine of L0 for an accelerator: started, or taken over. */
import type { Accel } from '../../host/accel.js';
import type { InstancePaths } from '../../state/paths.js';
import { BochsMachine } from './bochs.js';
import type { L0Machine } from './machine.js';
import type { MachineProcess } from './process.js';
import { QemuMachine } from './qemu.js';

export function machineOf(
  accel: Accel,
  process: MachineProcess,
  { qmpSocket, stateSocket }: Pick<InstancePaths, 'qmpSocket' | 'stateSocket'>,
  log: (text: string) => void,
): L0Machine {
  return accel === 'bochs'
    ? new BochsMachine(process)
    : new QemuMachine({ process, accel, qmpSocket, stateSocket, log });
}
