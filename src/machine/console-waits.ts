/** What the boot and the management of VMs wait for on a console or on the link. */
import { abortable } from '../base/abortable.js';
import { VsbError } from '../base/errors.js';
import type { ConsoleHub } from '../console/hub/hub.js';
import type { Session } from '../console/hub/session.js';
import type { VmConsole } from '../console/hub/vm-console.js';
import type { Link, VmRecord } from '../link/index.js';

/** The console of that name, as soon as a VM runs there that is accepted. */
export async function consoleRunning(
  hub: ConsoleHub,
  name: string,
  signal: AbortSignal,
  accepts: (vm: VmRecord | undefined) => boolean = () => true,
): Promise<VmConsole> {
  for (;;) {
    signal.throwIfAborted();
    const console = hub.vm(name);
    if (console?.state === 'running' && accepts(console.vm)) return console;
    await nextOf(hub, ['vm-appeared', 'vm-renamed'], signal);
  }
}

/** Waits for the first VM that the shadow hypervisor sees, whatever its name. */
export async function anyRunning(hub: ConsoleHub, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (hub.list().some(({ state }) => state === 'running')) return;
  await nextOf(hub, ['vm-appeared'], signal);
}

/** Waits for one of these events. */
async function nextOf(
  hub: ConsoleHub,
  events: readonly ('vm-appeared' | 'vm-renamed')[],
  signal: AbortSignal,
): Promise<void> {
  await abortable(
    (resolve) => {
      const changed = (): void => resolve();
      for (const event of events) hub.on(event, changed);
      return () => {
        for (const event of events) hub.off(event, changed);
      };
    },
    { signal },
  );
}

/** Waits until L1 reports the VM's hook as asked for. */
export async function hookReported(
  link: Link,
  vm: VmRecord,
  on: boolean,
  signal: AbortSignal,
): Promise<void> {
  await abortable(
    (resolve) => {
      const onVm = (now: VmRecord): void => {
        if (now.slot === vm.slot && now.generation === vm.generation && now.hooked === on)
          resolve();
      };
      link.on('vm', onVm);
      return () => link.off('vm', onVm);
    },
    { signal },
  );
}

/** Waits for output. */
export async function spoken(session: Session, signal: AbortSignal): Promise<void> {
  for await (const { bytes } of session.chunks(signal)) if (bytes.length > 0) return;
  throw new VsbError('E_VM_GONE', 'the console has ended', { layer: 'L3' });
}

/** Waits for `login:` in the console's output. It is matched in memory; nothing of it is kept. */
export async function loginShown(
  hub: ConsoleHub,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const wanted = 'login:';
  const console = await consoleRunning(hub, name, signal);
  const session = console.openSession({ mode: 'ro', label: 'boot', counted: false });
  try {
    let tail = '';
    for await (const { bytes } of session.chunks(signal)) {
      const text = tail + bytes.toString('latin1');
      if (text.includes(wanted)) return;
      tail = text.slice(1 - wanted.length);
    }
    throw new VsbError('E_VM_GONE', `${name} went away before it showed a login`, { layer: 'L3' });
  } finally {
    session.close();
  }
}
