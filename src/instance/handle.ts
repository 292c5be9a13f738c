/** The programmatic interface: a testbed as an object. */
import type { z } from 'zod';

import { loadConfig, resolveConfig } from '../config/load.js';
import type { configSchema } from '../config/schema.js';
import { openConsole } from '../console/client/open.js';
import { interactByScript } from '../console/dialogue/at-console.js';
import type { ScriptStep } from '../console/dialogue/script.js';
import type { Counters, HookResult, OperatorVm, Proof } from '../contract/answers.js';
import type { Method, Parameters, ResultOf } from '../contract/control.js';
import type { InstanceStatus } from '../contract/status.js';
import type { UpEvent } from '../contract/events.js';
import { defaultInstanceName, instancePaths, type InstancePaths } from '../state/paths.js';
import { findRoots } from '../state/roots.js';
import { readPasswords } from '../state/secrets.js';
import { instanceAccess, servedInstance } from './access.js';
import { bringUpInstance } from './bring-up.js';
import { callDaemon } from './client.js';
import { inspectInstance } from './inspect.js';
import { stopInstance } from './stop.js';
import { Transcript } from './transcript.js';

/** What `vsbypass.json` may say; every key has a default. */
export type ConfigInput = z.input<typeof configSchema>;

export interface TestbedOptions {
  /** Name of the instance, `default` by default. */
  readonly name?: string;
  /**
   * The configuration, or the path of a file with one; without it `vsbypass.json` of the current
   * folder if there is one. File names in it count from the current folder, or from that of the file.
   */
  readonly config?: ConfigInput | string;
  /** Ends the boot; nothing is left running then. */
  readonly signal?: AbortSignal;
  /** What happens on the way. */
  readonly onEvent?: (event: UpEvent) => void;
}

export interface ScriptOptions {
  readonly signal?: AbortSignal;
  /** What to see first: the lines kept so far (default), or only what comes. */
  readonly replay?: 'lines' | 'none';
}

/**
 * Brings a testbed up, from whatever state its instance is in, and returns it. It goes on running when
 * this process ends; `down()`, or `await using`, ends it.
 *
 * @throws VsbError with a stable `code`, see its table; E_INSTANCE_EXISTS when it is up already
 */
export async function createTestbed(options: TestbedOptions = {}): Promise<TestbedHandle> {
  const roots = findRoots();
  const paths = instancePaths(options.name ?? defaultInstanceName, roots);
  const { config } = options;
  await bringUpInstance({
    paths,
    roots,
    config:
      typeof config === 'object'
        ? await resolveConfig(config, process.cwd())
        : await loadConfig({ directory: process.cwd(), path: config }),
    signal: options.signal ?? new AbortController().signal,
    report: options.onEvent ?? (() => undefined),
  });
  return new TestbedHandle(paths);
}

/** A testbed that is up already, or was. Nothing is looked at or started. */
export function openTestbed(name: string = defaultInstanceName): TestbedHandle {
  return new TestbedHandle(instancePaths(name));
}

export class TestbedHandle {
  readonly #paths: InstancePaths;

  /** @internal */
  constructor(paths: InstancePaths) {
    this.#paths = paths;
  }

  get name(): string {
    return this.#paths.name;
  }

  /** The state as it is now; never throws for a bad instance. */
  async status(signal?: AbortSignal): Promise<InstanceStatus> {
    return await inspectInstance(this.#paths, signal);
  }

  /** root's password in each user VM of the default image. */
  async passwords(): Promise<Readonly<Record<string, string>>> {
    return Object.fromEntries(await readPasswords(this.#paths));
  }

  /**
   * Expects and sends at the console of a user VM, the secure one unless its COM1 was left to L2.
   *
   * @returns all that the VM printed meanwhile, bytes as characters one to one
   * @throws VsbError E_EXPECT_TIMEOUT, E_CONSOLE_CLOSED, E_VM_UNKNOWN, E_INSTANCE_NOT_RUNNING
   */
  async script(
    vm: string,
    steps: readonly ScriptStep[],
    options: ScriptOptions = {},
  ): Promise<string> {
    const signal = options.signal ?? new AbortController().signal;
    const connection = await openConsole({
      access: await instanceAccess(this.name, signal),
      vm,
      attach: { as: 'write', replay: options.replay ?? 'lines', sanitize: false },
      credentials: {},
      signal,
    });
    const transcript = new Transcript();
    const notices = new Transcript();
    const shown = { stdout: transcript, stderr: notices };
    await interactByScript(connection, { ...shown, steps, stripAnsi: true, signal });
    return transcript.text;
  }

  async startVm(vm: string, signal?: AbortSignal): Promise<void> {
    await this.#call('vm.start', { vm }, signal);
  }

  async stopVm(vm: string, signal?: AbortSignal): Promise<void> {
    await this.#call('vm.stop', { vm }, signal);
  }

  /** User VMs as L2's operator sees them. */
  async listVms(signal?: AbortSignal): Promise<OperatorVm[]> {
    return await this.#call('vm.list', {}, signal);
  }

  /** Shadows COM1 of a user VM, or leaves it to L2 (not secure), now and at later starts. */
  async setHook(vm: string, on: boolean, signal?: AbortSignal): Promise<HookResult> {
    return await this.#call('vm.hook', { vm, on }, signal);
  }

  /** What L2's own serial device has seen of a user VM: 0 bytes, if all is well. */
  async proof(vm: string, signal?: AbortSignal): Promise<Proof> {
    return await this.#call('proof', { vm }, signal);
  }

  /** What the shadow hypervisor has counted. */
  async counters(signal?: AbortSignal): Promise<Counters> {
    return await this.#call('counters', {}, signal);
  }

  /** Ends all layers, whatever state they are in. Returns whether there was anything to end. */
  async down(): Promise<boolean> {
    return await stopInstance(this.#paths);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  async #call<M extends Method>(
    method: M,
    parameters: Parameters<M>,
    signal: AbortSignal | undefined,
  ): Promise<ResultOf<M>> {
    const { controlSocket } = await servedInstance(
      this.name,
      signal ?? new AbortController().signal,
    );
    return await callDaemon(controlSocket, method, parameters, { signal });
  }
}
