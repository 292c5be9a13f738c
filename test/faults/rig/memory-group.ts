/** A control group that bounds the memory of what runs in it. */
import { accessSync, constants, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Why none can be made here; undefined if one can.
 *
 * @param root where the control groups are mounted
 */
export function noMemoryGroup(root = '/sys/fs/cgroup'): string | undefined {
  const controller = join(root, 'memory');
  if (existsSync(join(root, 'cgroup.controllers'))) return 'control groups are version 2 here';
  if (!existsSync(join(controller, 'cgroup.procs'))) {
    return 'there is no memory controller (version 1)';
  }
  try {
    accessSync(controller, constants.W_OK);
    return undefined;
  } catch {
    return `${controller} is not writable: it takes root`;
  }
}

export class MemoryGroup {
  readonly #folder: string;

  /** @param bytes limit */
  constructor(name: string, bytes: number, root = '/sys/fs/cgroup') {
    this.#folder = join(root, 'memory', name);
    mkdirSync(this.#folder);
    writeFileSync(join(this.#folder, 'memory.limit_in_bytes'), String(bytes));
  }
  /** Comes before a command that is to run in it. */
  get wrap(): string[] {
    return ['sh', '-c', `echo $$ > ${this.#folder}/cgroup.procs; exec "$@"`, 'sh'];
  }
  /** All that ran in it must have ended. */
  remove(): void {
    rmdirSync(this.#folder);
  }
}
