/** Small programs for the layers below, compiled once on this host: images/programs/search, images/programs/irq-server, images/programs/bench. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { VsbError } from '../base/errors.js';
import { imagesDirectory } from './build.js';

/** Exit code of the scripts when a program is missing. */
const hostLacksSomething = 3;

/**
 * The search program of `verify`, a static x86-64 executable.
 * @throws VsbError E_PACKAGE_MISSING, E_BUILD; the signal's reason
 */
export async function searchProgram(cacheDir: string, signal: AbortSignal): Promise<Buffer> {
  return await readFile(await build('search', cacheDir, signal));
}

/**
 * The interrupt server of `--irq ultracall` and `--irq net`, a static x86-64 executable.
 * @throws VsbError E_PACKAGE_MISSING, E_BUILD; the signal's reason
 */
export async function interruptServerProgram(
  cacheDir: string,
  signal: AbortSignal,
): Promise<Buffer> {
  return await readFile(await build('irq-server', cacheDir, signal));
}

export interface BenchPrograms {
  /** For L2: one end of a user VM's console. */
  readonly probe: Buffer;
  /** For a user VM: times accesses to its serial port. */
  readonly uartAccess: Buffer;
}

/**
 * The programs of `bench`, static x86-64 executables.
 * @throws VsbError E_PACKAGE_MISSING, E_BUILD; the signal's reason
 */
export async function benchPrograms(cacheDir: string, signal: AbortSignal): Promise<BenchPrograms> {
  const folder = await build('bench', cacheDir, signal);
  return {
    probe: await readFile(join(folder, 'probe')),
    uartAccess: await readFile(join(folder, 'uart-access')),
  };
}

/** Runs images/programs/NAME/build, which builds if need be, and returns what it printed: a path. */
async function build(name: string, cacheDir: string, signal: AbortSignal): Promise<string> {
  const { execa } = await import('execa');
  const built = await execa(join(imagesDirectory, 'programs', name, 'build'), ['--cache', cacheDir], {
    ...{ cancelSignal: signal, reject: false, stdin: 'ignore' },
  });
  signal.throwIfAborted();
  if (built.exitCode === 0) return built.stdout.trim();
  const code = built.exitCode === hostLacksSomething ? 'E_PACKAGE_MISSING' : 'E_BUILD';
  throw new VsbError(code, `cannot build images/programs/${name}: ${built.stderr.trim()}`, {
    hint: 'It is compiled with gcc, as the hypervisor is: apt-get install gcc libc6-dev',
  });
}
