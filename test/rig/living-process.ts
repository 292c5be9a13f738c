/** A process that does nothing and can be known by the words on its command line, in the place of a QEMU. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

import { identifyProcess, type ProcessIdentity } from '../../src/base/process-identity.js';

export interface LivingProcess {
  /** The caller ends it, by SIGKILL. */
  readonly child: ChildProcess;
  readonly identity: ProcessIdentity;
}

/** Starts it, and waits until it runs as what it is to be known by. @param shell the file name of a POSIX shell */
export async function startLivingProcess(
  words: readonly string[],
  shell = 'sh',
): Promise<LivingProcess> {
  const child = spawn(shell, ['-c', 'echo up; while :; do sleep 1; done', ...words]);
  await once(child.stdout, 'data');
  const identity = await identifyProcess(child.pid ?? 0);
  if (identity === undefined) throw new Error('it lives');
  return { child, identity };
}
