/** Busy loops beside what is measured: of the same priority, and none is left behind. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';

/** It ends by itself when its parent has died without a word. */
const program = `
  const parent = process.ppid;
  while (process.ppid === parent) for (let round = 0; round < 1e8; round++);
`;

export class BusyLoops {
  readonly #children: readonly ChildProcess[];

  /** @param perCore how many on each core */
  constructor(perCore: number, cores = availableParallelism()) {
    // Each in a session of its own: where the kernel shares out by sessions, each counts for itself.
    this.#children = Array.from({ length: perCore * cores }, () =>
      spawn(process.execPath, ['-e', program], { detached: true, stdio: 'ignore' }),
    );
  }

  get pids(): number[] {
    return this.#children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  async end(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }),
    );
  }
}
