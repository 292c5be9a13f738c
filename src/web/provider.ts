/** What the page's server needs of the program: the instance as it is now, and its consoles. */
import type { ConsoleConnection } from '../console/connection.js';
import type { InstanceAccess } from '../console/client/instance-access.js';
import { isShadowed } from '../console/client/open.js';
import { sentenceOf } from '../contract/watched.js';
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

/** The user VMs as the page lists them. */
export function vmViews(access: InstanceAccess): VmView[] {
  return access.vms.map((name) => ({
    name,
    secure: isShadowed(access, name),
    watched: (access.watched?.get(name) ?? []).map(sentenceOf),
  }));
}
