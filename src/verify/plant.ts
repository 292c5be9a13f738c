/** Puts canaries on a user VM's console. */
import type { Typist } from '../console/dialogue/typist.js';
import type { CanaryKind } from '../contract/evidence.js';
import { octal } from './canary.js';

/** One of each kind, at a shell prompt. */
export async function plant(
  typist: Typist,
  canaries: ReadonlyMap<CanaryKind, string>,
): Promise<void> {
  const { echoed, hidden, printed } = Object.fromEntries(canaries);
  if (echoed !== undefined) await typist.run(`: ${echoed}`);
  if (hidden !== undefined) {
    await typist.start("stty -echo; echo rea''dy; read -r x; stty echo", async () => {
      await typist.expect(/ready\r+\n/);
      typist.type(`${hidden}\r`);
      return typist;
    });
  }
  if (printed !== undefined) await typist.run(`printf '${octal(printed)}\\n'`);
}
