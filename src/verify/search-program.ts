/** The search program for the layers below, compiled once on this host (images/search). */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { VsbError } from '../errors/index.js';

const script = fileURLToPath(new URL('../../images/search/build', import.meta.url));
/** Exit code of the script when a program is missing. */
const hostLacksSomething = 3;

/**
 * Builds it if need be and returns its content, a static x86-64 executable.
 * @throws VsbError E_PACKAGE_MISSING, E_BUILD; the signal's reason
 */
export async function searchProgram(cacheDir: string, signal: AbortSignal): Promise<Buffer> {
  const { execa } = await import('execa');
  const built = await execa(script, ['--cache', cacheDir], {
    ...{ cancelSignal: signal, reject: false, stdin: 'ignore' },
  });
  signal.throwIfAborted();
  if (built.exitCode === 0) return await readFile(built.stdout.trim());
  const code = built.exitCode === hostLacksSomething ? 'E_PACKAGE_MISSING' : 'E_BUILD';
  throw new VsbError(code, `cannot build the search program: ${built.stderr.trim()}`, {
    hint: 'It is compiled with gcc, as the hypervisor is: apt-get install gcc libc6-dev',
  });
}
