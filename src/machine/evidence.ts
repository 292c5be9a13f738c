/**
 * Where a machine stands that does not come up: its registers, what its devices have done, what L1 knows of its guests.
 * Collected by the daemon before it takes the machine down: its protocol and L1's console take one client, and that is the daemon.
 */
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { messageOf } from '../base/errors.js';
import { shellQuote } from '../host/ssh.js';
import { ensurePrivateDirectory } from '../state/private-folders.js';
import { stopMachine } from './pause.js';
import type { Running } from './running.js';

const stateLimitMs = 120_000;
/** Xen takes its keys once its console has been switched to it (`conswitch`), and prints what it knows at its own pace. */
const toXen = '\x01\x01\x01';
/** Registers, domains and their vCPUs, run queues, timers, VMCBs, interrupts, I/O APICs. */
const debugKeys = ['d', 'q', 'r', 'a', 'v', 'i', 'z'];
const keyQuietMs = 1000;
const keyLimitMs = 15_000;

/**
 * Writes what can be had to the instance's folder for it, in the place of what was there. What cannot be had
 * is said there.
 *
 * @param keepState whether to save the machine's state, too; it is stopped then, and stays so
 * @returns the folder
 * @throws the signal's reason
 */
export async function collectEvidence(
  running: Running,
  keepState: boolean,
  signal: AbortSignal,
): Promise<string> {
  const directory = running.paths.failedBootDir;
  await rm(directory, { recursive: true, force: true });
  await ensurePrivateDirectory(directory);
  const write = async (name: string, content: () => Promise<string>): Promise<void> => {
    signal.throwIfAborted();
    const text = await content().catch((error: unknown) => `not available: ${messageOf(error)}`);
    await writeFile(join(directory, name), `${text}\n`, { mode: 0o600 });
  };
  for (const { file, content } of running.machine.evidence(signal)) await write(file, content);
  await write('l1-counters.json', async () => json(await countersOfL1(running)));
  await write('xen-keys.txt', async () => await askXen(running, signal));
  if (keepState) {
    await write('state.txt', async () => await keepWholeState(running, directory, signal));
  }
  return directory;
}

async function countersOfL1({ link }: Running): Promise<unknown> {
  if (link === undefined) throw new Error('the link is not connected');
  const vms = await Promise.all(
    link.vms().map(async (vm) => ({
      ...vm,
      counters: await link.vmCounters(vm.slot, vm.generation).catch(messageOf),
    })),
  );
  return { hypervisor: await link.globalCounters(), vms };
}

/** What L1's Xen prints when its debug keys are typed on its console. */
async function askXen(running: Running, signal: AbortSignal): Promise<string> {
  const { l1, l1Console } = running;
  if (l1Console === undefined) throw new Error("L1's console is not connected");
  const printed: string[] = [];
  const onLine = (line: string): void => void printed.push(line);
  l1.on('line', onLine);
  try {
    l1Console.write(toXen);
    await untilQuiet(() => printed.length, signal);
    for (const key of debugKeys) {
      printed.push(`# key ${key}`);
      l1Console.write(key);
      await untilQuiet(() => printed.length, signal);
    }
  } finally {
    l1.off('line', onLine);
  }
  return printed.join('\n');
}

/** Until nothing more has come for a while. */
async function untilQuiet(count: () => number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + keyLimitMs;
  let before: number;
  do {
    before = count();
    await delay(keyQuietMs, undefined, { signal });
  } while (count() > before && performance.now() < end);
}

/** A state for a debugger, with what QEMU boots beside it. It has keys and passwords in it, like any other. */
async function keepWholeState(
  running: Running,
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  const { machine, paths, plan } = running;
  const until = AbortSignal.any([signal, AbortSignal.timeout(stateLimitMs)]);
  await cp(paths.bootDir, join(directory, 'boot'), { recursive: true });
  await stopMachine(running, until);
  const file = join(directory, 'state.zst');
  await machine.save(file, until);
  const words = [plan.machine.program, ...plan.machine.arguments].map(shellQuote).join(' ');
  return `# in the folder boot: the machine as it stood, paused; \`cont\` on QMP lets it go on\n${words} -incoming fd:3 3< <(zstd -dc ../state.zst)`;
}

function json(value: unknown): string {
  return JSON.stringify(
    value,
    (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item),
    2,
  );
}
