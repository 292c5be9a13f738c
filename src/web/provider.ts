/** What the page's server needs of the program: the instance as it is now, and its consoles. */
import type { ConsoleConnection } from '../console/connection.js';
import type { VmView } from './messages.js';

export interface FoundConsole {
  /** Whether it is the secure one; holds for {@link open}, whatever changes in between. */
  readonly secure: boolean;
  /** @throws VsbError when it cannot be opened */
  open(signal: AbortSignal): Promise<ConsoleConnection>;
}

export interface ConsoleProvider {
  /** @throws VsbError when the instance is not there any more */
  instance(): Promise<{ readonly name: string; readonly vms: readonly VmView[] }>;
  /** @throws VsbError when the instance does not run */
  find(vm: string): Promise<FoundConsole>;
}
