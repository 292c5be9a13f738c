/** The link to the shadow hypervisor: made at boot, made again when it breaks while QEMU lives. */
import { setTimeout as delay } from 'node:timers/promises';

import { messageOf } from '../base/errors.js';
import { Link, type VmRecord } from '../link/index.js';
import { interruptPathOf } from './interrupts.js';
import { limitsMs, type Running } from './running.js';

/** Pause before the link is connected again while QEMU lives. */
const relinkDelayMs = 500;

/** Waits for the shadow hypervisor. */
export async function connectLink(
  running: Running,
  signal: AbortSignal,
  limitMs: number,
): Promise<void> {
  await attachLink(
    running,
    await Link.connect(running.paths.linkSocket, { signal, timeoutMs: limitMs }),
  );
}

/** Serves the consoles of that link from now on. */
export async function attachLink(running: Running, link: Link): Promise<void> {
  running.link = link;
  link.on('error', (error) => running.log(`link: ${messageOf(error)}`));
  link.on('close', () => {
    running.log('link closed');
    relink(running, link).catch((error: unknown) =>
      running.log(`the link stays down: ${messageOf(error)}`),
    );
  });
  // After the hub, which knows by then under which name the VM goes.
  running.hub.attachLink(link);
  link.on('vm', (vm) => applyHook(running, link, vm));
  for (const vm of link.vms()) applyHook(running, link, vm);
  link.on('line', ({ uuid }, high) => {
    if (uuid !== undefined) running.interrupts?.tell(uuid, high);
  });
  running.interrupts ??= interruptPathOf(running);
  await running.interrupts.renew();
}

/** L1 shadows every VM that appears; some are to be left to L2, once it is known which they are. */
function applyHook(running: Running, link: Link, vm: VmRecord): void {
  if (vm.state === 'gone' || vm.uuid === undefined || running.link !== link) return;
  const console = running.hub
    .list()
    .find((one) => one.vm?.slot === vm.slot && one.vm.generation === vm.generation);
  const asked = console === undefined ? undefined : running.hooks.get(console.name);
  const on = asked ?? running.request.config.console.mode === 'shadow';
  if (vm.hooked === on) return;
  link
    .setHook(vm.slot, vm.generation, on)
    .catch((error: unknown) => running.log(`hook of slot ${vm.slot}: ${messageOf(error)}`));
}

/** Connects the link again while QEMU lives; L1 keeps what was not acknowledged. */
async function relink(running: Running, closed: Link): Promise<void> {
  const { signal } = running.failed;
  while (!signal.aborted) {
    await delay(relinkDelayMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    let link: Link | undefined;
    try {
      link = await Link.connect(running.paths.linkSocket, {
        signal,
        timeoutMs: limitsMs.link,
        resume: closed,
      });
      await attachLink(running, link);
      return;
    } catch (error) {
      running.log(`link: ${messageOf(error)}`);
      if (link === undefined) continue;
      // It is attached, so its own end begins the next attempt: with a second one here the two would go on for good.
      link.close();
      return;
    }
  }
}
