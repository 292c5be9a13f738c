/**
 * The machine of L0 as a child of the daemon: starting, running, gone. It is in a process group of its own,
 * its standard input is closed, and what it complains about goes to its log. If the daemon is killed,
 * it goes on (it ignores SIGPIPE); the next `up` or `down` finds it by its recorded identity.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

import { VsbError, messageOf } from '../../base/errors.js';
import { identifyProcess, type ProcessIdentity } from '../../base/process-identity.js';
import type { LayerLog } from '../layer-log.js';
import type { TestbedPlan } from '../plan.js';

export interface MachineExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A machine's process, whoever has started it. */
export interface MachineProcess {
  readonly identity: ProcessIdentity;
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<MachineExit>;
  /** How it ended; undefined while it runs. */
  readonly exit: MachineExit | undefined;
  /** Ends it: SIGTERM, after `graceMs` SIGKILL. */
  stop(graceMs: number): Promise<void>;
  /** Looks at it no more; it goes on. */
  release(): void;
}

export class StartedProcess implements MachineProcess {
  readonly identity: ProcessIdentity;
  readonly exited: Promise<MachineExit>;
  readonly #child: ChildProcess;
  #exit: MachineExit | undefined;

  /**
   * @throws VsbError E_QEMU_MISSING when it cannot be started, E_QEMU_EXITED when it ends at once
   */
  static async start(plan: TestbedPlan['machine'], log: LayerLog): Promise<StartedProcess> {
    let child: ChildProcess;
    try {
      child = spawn(plan.program, plan.arguments, {
        cwd: plan.workingDirectory,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const stream of [child.stdout, child.stderr]) if (stream !== null) log.readFrom(stream);
      await once(child, 'spawn');
    } catch (error) {
      throw new VsbError('E_QEMU_MISSING', `cannot start ${plan.program}: ${messageOf(error)}`, {
        layer: 'L0',
        hint: plan.remedy,
        cause: error,
      });
    }
    const identity = child.pid === undefined ? undefined : await identifyProcess(child.pid);
    if (identity === undefined) {
      throw new VsbError('E_QEMU_EXITED', `${plan.make} ended at once`, {
        layer: 'L0',
        hint: '`vsbypass logs qemu` shows what it complained about.',
      });
    }
    return new StartedProcess(child, identity);
  }

  private constructor(child: ChildProcess, identity: ProcessIdentity) {
    this.#child = child;
    this.identity = identity;
    this.exited = new Promise((resolve) => {
      const settle = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      };
      if (child.exitCode !== null || child.signalCode !== null) {
        settle(child.exitCode, child.signalCode);
      } else {
        // Not 'exit': what it said last is read by then.
        child.once('close', settle);
      }
    });
  }

  get exit(): MachineExit | undefined {
    return this.#exit;
  }

  release(): void {
    // The kernel tells when it ends; nobody has to look.
  }

  async stop(graceMs: number): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (this.#exit !== undefined) return;
      this.#child.kill(signal);
      await Promise.race([this.exited, delay(graceMs, undefined, { ref: false })]);
    }
  }
}

/** "was killed by SIGKILL", "ended with exit code 1". */
export function describeExit(exit: MachineExit): string {
  if (exit.signal !== null) return `was killed by ${exit.signal}`;
  return exit.code === null ? 'has ended' : `ended with exit code ${exit.code}`;
}
