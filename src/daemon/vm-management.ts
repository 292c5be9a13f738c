/** What a running testbed can be asked to do with its user VMs, and asked about them. */
import { VsbError } from '../base/errors.js';
import type { HltPolicy } from '../config/schema.js';
import type { VmConsole } from '../console/hub/vm-console.js';
import type { Counters, HookResult, Proof } from '../contract/answers.js';
import { shellQuote } from '../host/ssh.js';
import { l2VmPaths } from '../layers/l2-paths.js';
import type { VmRecord } from '../link/index.js';
import { consoleRunning, hookReported, spoken } from '../machine/console-waits.js';
import { limitOf, runAsOperator, vmConfigOf, vmNameOf, type Running } from '../machine/running.js';
import { startInL2 } from '../machine/start-in-l2.js';

/** L2's `vm stop` waits half a minute for an orderly shutdown before it kills, by its own count: a slow L2 takes thrice as long. */
const stopLimitMs = 240_000;
/** Of the log of a VM's QEMU. */
const qemuLogBytes = 4096;
/** How long L1 may take to report a hook that it has switched. */
const hookLimitMs = 10_000;

/**
 * @returns what the VM's QEMU in L2 has said
 * @throws VsbError E_VM_START, E_SSH; E_VM_UNKNOWN
 */
export async function startVm(
  running: Running,
  name: string,
  signal: AbortSignal,
): Promise<string[]> {
  vmConfigOf(running, name);
  // A VM that ended moments ago still counts as running until L1 misses it. The new one is another for L1, unless L2
  // gives it the same pages: then the old one was reset, and what tells is that the console speaks again.
  const known = running.hub.vm(name);
  const before = known?.vm;
  const listener = known?.openSession({
    mode: 'ro',
    label: 'start',
    from: 'now',
    counted: false,
  });
  const isNew = (vm: VmRecord | undefined): boolean =>
    vm?.slot !== before?.slot || vm?.generation !== before?.generation;
  const limitMs = limitOf(running.request.config, 'vm');
  const seen = new AbortController();
  let said: string[] = [];
  try {
    said = await startInL2(running, name, { signal });
    running.wanted.add(name);
    const until = AbortSignal.any([signal, seen.signal, AbortSignal.timeout(limitMs)]);
    await Promise.any([
      consoleRunning(running.hub, name, until, isNew),
      ...(listener === undefined ? [] : [spoken(listener, until)]),
    ]);
    return said;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof VsbError) throw error;
    throw new VsbError(
      'E_VM_START',
      `${name} runs in L2, but the shadow hypervisor has not seen it within ${limitMs / 1000} s`,
      {
        ...{ layer: 'L1', cause: error },
        ...(said.length === 0 ? {} : { hint: `Its QEMU in L2 said: ${said.join('; ')}` }),
        details: { said },
      },
    );
  } finally {
    seen.abort();
    listener?.close();
  }
}

/** @throws VsbError E_VM_STOP, E_SSH; E_VM_UNKNOWN */
export async function stopVm(running: Running, name: string, signal: AbortSignal): Promise<void> {
  vmConfigOf(running, name);
  const result = await runAsOperator(running, `vm stop ${shellQuote(name)}`, {
    signal,
    timeoutMs: stopLimitMs,
  });
  if (result.code !== 0) {
    throw new VsbError('E_VM_STOP', `L2 cannot stop ${name}: ${result.stderr.trim()}`, {
      layer: 'L2',
    });
  }
  // One that could not be stopped is still to run, and watched.
  running.wanted.delete(name);
}

/**
 * Shadows COM1 of a user VM or leaves it to L2, now and whenever it starts again.
 *
 * @throws VsbError E_VM_UNKNOWN, E_LINK_CLOSED, E_DEADLINE
 */
export async function setHook(
  running: Running,
  word: string,
  on: boolean,
  signal: AbortSignal,
): Promise<HookResult> {
  const name = vmNameOf(running, word);
  running.hooks.set(name, on);
  const vm = running.hub.vm(name)?.vm;
  const { link } = running;
  if (vm === undefined || vm.state === 'gone' || link === undefined) return { vm: name };
  if (vm.hooked !== on) {
    const deadline = AbortSignal.timeout(hookLimitMs);
    const reported = hookReported(link, vm, on, AbortSignal.any([signal, deadline]));
    try {
      await Promise.all([link.setHook(vm.slot, vm.generation, on), reported]);
    } catch (error) {
      signal.throwIfAborted();
      if (!deadline.aborted) throw error;
      const message = `the shadow hypervisor did not switch ${name} within ${hookLimitMs / 1000} s`;
      throw new VsbError('E_DEADLINE', message, { layer: 'L1' });
    }
  }
  return { vm: name, hooked: on };
}

/** @throws VsbError E_VM_UNKNOWN, E_VM_GONE, E_LINK_CLOSED */
export async function setHltPolicy(
  running: Running,
  name: string,
  policy: HltPolicy,
): Promise<void> {
  const { vm } = consoleOf(running, name);
  if (vm === undefined || running.link === undefined) throw notThere(name);
  await running.link.setHltPolicy(vm.slot, vm.generation, policy);
}

/** @throws VsbError E_VM_UNKNOWN, E_VM_AMBIGUOUS, E_VM_GONE */
export function consoleOf(running: Running, word: string): VmConsole {
  const name = vmNameOf(running, word);
  const console = running.hub.vm(name);
  if (console === undefined) throw notThere(name);
  return console;
}

function notThere(name: string): VsbError {
  return new VsbError('E_VM_GONE', `the shadow hypervisor does not know ${name} now`, {
    hint: '`vsbypass vm start` starts it.',
  });
}

/** The proof: what L2's own serial device has seen of a VM of ours; of any other, what L1 says. */
export async function proofOf(running: Running, word: string, signal: AbortSignal): Promise<Proof> {
  const name = vmNameOf(running, word);
  if (running.request.config.vms.every((vm) => vm.name !== name))
    return await proofOfL1(running, name);
  const path = shellQuote(l2VmPaths(name).consoleLog);
  const result = await runAsOperator(running, `stat -c %s ${path}`, { signal });
  const operatorBytes = Number(result.stdout.toString().trim());
  if (result.code !== 0 || !Number.isInteger(operatorBytes)) {
    throw new VsbError('E_SSH', `L2 has no serial log of ${name}: ${result.stderr.trim()}`, {
      layer: 'L2',
      hint: 'The VM may never have been started: `vsbypass vm start`.',
    });
  }
  return { vm: name, operatorBytes, shadowBytes: running.hub.vm(name)?.history.end ?? 0 };
}

/** Where nothing is asked of L2: what L1 alone can say. */
async function proofOfL1(running: Running, name: string): Promise<Proof> {
  const { vm, history } = consoleOf(running, name);
  if (vm === undefined || running.link === undefined) throw notThere(name);
  const { exitsCom1: accesses } = await running.link.vmCounters(vm.slot, vm.generation);
  return { vm: name, shadowBytes: history.end, l1: { hooked: vm.hooked, accesses } };
}

/** What the shadow hypervisor has counted, of itself and of each user VM that it knows. */
export async function countersOf({ link, hub }: Running): Promise<Counters> {
  if (link === undefined) {
    throw new VsbError('E_LINK_CLOSED', 'there is no link to the shadow hypervisor', {
      layer: 'L1',
    });
  }
  const vms = hub.list().flatMap(({ name, vm }) => (vm === undefined ? [] : [{ name, vm }]));
  return {
    hypervisor: await link.globalCounters(),
    vms: await Promise.all(
      vms.map(async ({ name, vm }) => ({
        name,
        counters: await link.vmCounters(vm.slot, vm.generation),
      })),
    ),
  };
}

export async function operatorLog(
  running: Running,
  name: string,
  bytes: number,
  signal: AbortSignal,
): Promise<string> {
  vmConfigOf(running, name);
  const { consoleLog, log } = l2VmPaths(name);
  // What its QEMU says comes first: a VM that hangs in its firmware has nothing on its console.
  const command = `tail -c ${qemuLogBytes} ${shellQuote(log)} | sed 's/^/L2: /'; tail -c ${bytes} ${shellQuote(consoleLog)}`;
  const result = await runAsOperator(running, command, { signal });
  return result.stdout.toString();
}
