/** Scale: 1, 2, 4 and 8 user VMs flood their consoles at once, while somebody types at that of a ninth. */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

import { VsbError } from '../base/errors.js';
import { Typist } from '../console/dialogue/typist.js';
import { userEnd, type Configuration } from './configurations/configuration.js';
import { vsbypass } from './configurations/vsbypass.js';
import { pause, send, type End, type Step } from './ends/end.js';
import type { Quantity } from './measures/cell.js';
import { run, toPrompt } from './measures/guest.js';
import { responseCell } from './measures/response.js';
import { textCommand } from './measures/text.js';
import type { Stack, StackInputs } from './stacks/stack.js';
import { bootTestbed } from './stacks/testbed.js';
import type { Random } from './statistics/random.js';

const consoleOf = (vm?: string): Configuration => vsbypass('kvm', vm);
const { id, l2 } = consoleOf();
/** The configuration that is scaled. */
export const scaled = id;

const floods = [1, 2, 4, 8] as const;
const vms = Array.from({ length: 9 }, (_, index) => `vm${index + 1}`);
/** Enough for a user VM that does nothing but this. */
const memoryMiB = 128;
/** Until all floods flow, milliseconds. */
const startMs = 5000;
const longMs = 10 * 60_000;

export interface ScaleOptions {
  readonly stack: StackInputs;
  /** Keys of the ninth, for each number of floods. */
  readonly keys: number;
  readonly random: Random;
  readonly note: (text: string) => void;
  readonly add: (quantity: Quantity, values: readonly number[]) => void;
}

/** @throws VsbError when the testbed does not come up; the signal's reason */
export async function measureScale(options: ScaleOptions): Promise<void> {
  const { signal } = options.stack;
  const inputs = { ...options.stack, name: `${options.stack.name}-scale` };
  const stack = await bootTestbed(inputs, { l2, shadowed: vms, leftToL2: [], memoryMiB });
  try {
    for (const vm of vms) await logIn(stack, vm, signal);
    for (const count of floods) {
      options.note(`scale: ${count} of ${vms.length - 1} VMs flooding`);
      await measureFloods(options, stack, vms.slice(0, count));
    }
  } finally {
    await stack.close();
  }
}

async function logIn(stack: Stack, vm: string, signal: AbortSignal): Promise<void> {
  const connection = await consoleOf(vm).connect(stack, signal);
  try {
    await new Typist(connection, signal).logIn(stack.passwords.get(vm) ?? '');
  } finally {
    await connection.close(5000);
  }
}

async function measureFloods(
  { keys, random, add, stack: { signal } }: ScaleOptions,
  stack: Stack,
  flooding: readonly string[],
): Promise<void> {
  const quiet = new AbortController();
  const ninth = consoleOf(vms.at(-1));
  const streams = flooding.map((vm) => consoleOf(vm).stream(stack));
  const until = AbortSignal.any([signal, quiet.signal]);
  // Each of the floods listens, and is no leak.
  setMaxListeners(0, until);
  const running = streams.map(async (end) => await flood(end, until));
  const typist = responseCell({
    ...{
      configuration: ninth,
      end: userEnd(ninth, stack),
      state: 'idle',
      wanted: keys,
      keys,
      random,
    },
  });
  const states = `${flooding.length} flooding`;
  const common = { measure: 'scale', configuration: ninth.id, end: 'stream' } as const;
  try {
    // A flood that does not flow must not be waited for in vain.
    await Promise.race([delay(startMs, undefined, { signal }), Promise.all(running)]);
    const before = await printed(stack, flooding, signal);
    const began = performance.now();
    const echoes = await typist.turn(signal);
    const seconds = (performance.now() - began) / 1000;
    const after = await printed(stack, flooding, signal);
    const rates = after.map((bytes, index) => (bytes - (before[index] ?? 0)) / seconds);
    const total = rates.reduce((sum, rate) => sum + rate, 0);
    const rate = { ...common, unit: 'characters/s', better: 'higher' } as const;
    add({ ...rate, state: `${states}: each` }, rates);
    add({ ...rate, state: `${states}: all together` }, [total]);
    add({ ...common, unit: 'of 1', better: 'higher', state: `${states}: fairness` }, [
      fairness(rates),
    ]);
    add(
      { ...common, end: 'ssh', unit: 'ms', better: 'lower', state: `${states}: key of another` },
      echoes,
    );
  } finally {
    quiet.abort();
    await Promise.all(running);
    for (const end of streams) await end.play(toPrompt(), signal);
  }
}

async function flood(end: End, signal: AbortSignal): Promise<void> {
  const steps: Step[] = [
    ...toPrompt(),
    ...run(textCommand(200, '/tmp/flood')),
    send('while :; do cat /tmp/flood; done\r'),
    pause(longMs),
  ];
  try {
    await end.play(steps, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Bytes that each has printed so far, as the shadow hypervisor has counted them. */
async function printed(
  { shadow }: Stack,
  names: readonly string[],
  signal: AbortSignal,
): Promise<number[]> {
  const all = await shadow?.counters(signal);
  return names.map((vm) => {
    const counters = all?.vms.find(({ name }) => name === vm)?.counters;
    if (counters === undefined) throw new VsbError('E_VM_GONE', `${vm} is gone`, { layer: 'L3' });
    return counters['bytesOut'] ?? 0;
  });
}

/** Jain's index (1984): 1 when all get the same, 1/n when one gets all. */
export function fairness(rates: readonly number[]): number {
  const sum = rates.reduce((all, rate) => all + rate, 0);
  const squares = rates.reduce((all, rate) => all + rate * rate, 0);
  return squares === 0 ? 0 : (sum * sum) / (rates.length * squares);
}
