/** Compiles the system that `guest` is. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const source = fileURLToPath(new URL('guest', import.meta.url));

/**
 * @param out folder for its objects
 * @returns path of the kernel
 */
export async function compileHostile(out: string): Promise<string> {
  const kernel = join(out, 'hostile.elf');
  await promisify(execFile)('make', ['-C', source, `OUT=${out}`, kernel]);
  return kernel;
}
