/** Programs in the place of QEMU, for what only asks it something. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import { greeting } from './fake-qmp.js';

async function writeProgram(path: string, script: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}`);
  await chmod(path, 0o755);
  return path;
}

/** Greets and answers each command in turn, in order of the ids 1, 2, 3... */
export async function writeFakeQemu(
  path: string,
  answers: readonly unknown[],
  greet = greeting,
): Promise<string> {
  const lines = answers.map(
    (answer, index) =>
      `read -r _; printf '%s\\n' '${JSON.stringify({ return: answer, id: index + 1 })}'`,
  );
  return await writeProgram(path, `printf '%s\\n' '${greet}'\n${lines.join('\n')}\nread -r _\n`);
}

/** Says nothing, for longer than anybody waits; its process id is in `PATH.pid`. */
export async function writeHangingQemu(path: string): Promise<string> {
  return await writeProgram(path, `echo $$ > '${path}.pid'\nexec sleep 600\n`);
}
