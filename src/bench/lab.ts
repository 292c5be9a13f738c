/**
 * The lab: the stacks that the chosen configurations need, booted, with root logged in on each console. Only
 * the stack whose turn it is runs; the clocks of the others stand still.
 */
import { availableParallelism } from 'node:os';

import { messageOf } from '../base/errors.js';
import { Typist } from '../console/dialogue/typist.js';
import { userEnd, type Configuration } from './configurations/configuration.js';
import type { End, EndKind } from './ends/end.js';
import type { BenchEvent } from './events.js';
import { bootStack, type StackName } from './stacks/boot.js';
import type { Stack, StackInputs } from './stacks/stack.js';

/** A configuration that is ready to be measured. */
export interface Subject {
  readonly configuration: Configuration;
  readonly stack: Stack;
  readonly ends: Readonly<Record<EndKind, End>>;
}

/** Each keeps two CPUs busy. More at once take as long in all, but each of their layers may be late. */
const bootsAtOnce = Math.max(1, Math.floor(availableParallelism() / 2));

export interface LabInputs extends Omit<StackInputs, 'report'> {
  readonly emit: (event: BenchEvent) => void;
}

export class Lab {
  readonly subjects: readonly Subject[];
  /** Configurations that could not be brought up, with the reason. */
  readonly failed: ReadonlyMap<string, string>;
  readonly stacks: ReadonlyMap<StackName, Stack>;
  #current: StackName | undefined;
  #entered: string | undefined;

  private constructor(
    stacks: ReadonlyMap<StackName, Stack>,
    subjects: readonly Subject[],
    failed: ReadonlyMap<string, string>,
  ) {
    this.stacks = stacks;
    this.subjects = subjects;
    this.failed = failed;
  }

  /**
   * Boots what is needed. A stack that does not come up costs its configurations only.
   * @throws the signal's reason, when nothing is left running
   */
  static async open(chosen: readonly Configuration[], inputs: LabInputs): Promise<Lab> {
    const stacks = new Map<StackName, Stack>();
    const subjects: Subject[] = [];
    const failed = new Map<string, string>();
    const names = [...new Set(chosen.map(({ stack }) => stack))];
    const close = async (): Promise<void> => {
      await Promise.all([...stacks.values()].map(async (stack) => await stack.close()));
    };
    try {
      const failures = new Map<StackName, unknown>();
      const boot = async (name: StackName): Promise<void> => {
        const report: StackInputs['report'] = (event) =>
          inputs.emit({ type: 'boot', stack: name, event });
        try {
          stacks.set(name, await bootStack(name, { ...inputs, report }));
        } catch (error) {
          failures.set(name, error);
        }
      };
      for (let first = 0; first < names.length; first += bootsAtOnce) {
        await Promise.all(names.slice(first, first + bootsAtOnce).map(boot));
        inputs.signal.throwIfAborted();
      }
      for (const configuration of chosen) {
        const stack = stacks.get(configuration.stack);
        if (stack === undefined) {
          const reason = messageOf(failures.get(configuration.stack));
          failed.set(configuration.id, `did not come up: ${reason}`);
          continue;
        }
        try {
          subjects.push(await prepare(configuration, stack, inputs.signal));
        } catch (error) {
          inputs.signal.throwIfAborted();
          failed.set(configuration.id, `no login: ${messageOf(error)}`);
        }
      }
      for (const stack of stacks.values()) await stack.pause(true);
    } catch (error) {
      await close();
      throw error;
    }
    return new Lab(stacks, subjects, failed);
  }

  /** Has this configuration's stack run, and no other, as the configuration wants it; without one none runs. */
  async enter(subject: Subject | undefined, signal: AbortSignal): Promise<void> {
    const wanted = subject?.configuration.stack;
    if (this.#current !== wanted) {
      if (this.#current !== undefined) await this.stacks.get(this.#current)?.pause(true);
      this.#current = undefined;
      await subject?.stack.pause(false);
      this.#current = wanted;
      this.#entered = undefined;
    }
    if (subject === undefined || this.#entered === subject.configuration.id) return;
    await subject.configuration.enter?.(subject.stack, signal);
    this.#entered = subject.configuration.id;
  }

  async close(): Promise<void> {
    await Promise.all([...this.stacks.values()].map(async (stack) => await stack.close()));
  }
}

async function prepare(
  configuration: Configuration,
  stack: Stack,
  signal: AbortSignal,
): Promise<Subject> {
  const connection = await configuration.connect(stack, signal);
  try {
    await new Typist(connection, signal).logIn(stack.passwords.get(configuration.vm) ?? '');
  } finally {
    await connection.close(5000);
  }
  return {
    configuration,
    stack,
    ends: { stream: configuration.stream(stack), ssh: userEnd(configuration, stack) },
  };
}
