/** Runs images/build, which builds what is missing and says where everything is. */
import { createInterface } from 'node:readline';

import { execa } from 'execa';

import { VsbError, type ErrorLayer } from '../base/errors.js';
import { installed } from '../base/installation.js';
import type { L2Kind, L2System } from '../config/schema.js';
import type { Accel } from '../host/accel.js';
import { l2Domain } from '../layers/l2.js';
import { askAndStamp, readStamp } from './stamp.js';

/** Folders of the images that an instance boots. */
export interface ImageDirectories {
  readonly xen: string;
  /** L1's dom0. */
  readonly l1: string;
  /** The disk that L2 comes from, where that is ours. */
  readonly l2?: string | undefined;
  /** The machine of L0, where it is no program of this host. */
  readonly bochs?: string | undefined;
}

/** Names as images/build knows them. */
export function imageNames(system: L2System, accel: Accel = 'tcg'): ImageDirectories {
  const { l1, ...l2 } = l2Domain(system).images;
  return accel === 'bochs'
    ? { xen: 'xen', l1: `${l1}-bochs`, ...l2, bochs: 'bochs' }
    : { xen: 'xen', l1, ...l2 };
}

export function namesIn({ xen, l1, l2, bochs }: ImageDirectories): string[] {
  return [xen, l1, l2, bochs].filter((name) => name !== undefined);
}

/** images/ of this checkout or installation: beside dist/. */
export const imagesDirectory = installed('images');

/** The virtualized systems by themselves; an instance has that with KVM on L1's disk. */
const l2Names: Readonly<Record<L2Kind, string>> = { kvm: 'l2-kvm', xen: 'l2-xen' };

/** Lines of the build kept for an error. */
const keptLines = 20;

export interface BuildOptions {
  /** What runs the machine of L0: one that is no program of this host is built, too. */
  readonly accel?: Accel;
  readonly cacheDir: string;
  readonly signal: AbortSignal;
  /** Resolve the newest package versions again. */
  readonly refresh?: boolean;
  /** Fetch nothing: what is not in the cache is an error. */
  readonly offline?: boolean;
  /** Each line that the build says about itself. */
  onProgress(line: string): void;
  /** The program, for tests. */
  readonly program?: string;
}

/**
 * Builds what is missing. On abort the whole process group of the build is ended.
 *
 * @throws VsbError E_BUILD (exit 3) with the last lines, E_NOT_CACHED when it is offline; the signal's
 *   reason when it aborts
 */
export async function buildImages(l2: L2System, options: BuildOptions): Promise<ImageDirectories> {
  const names = imageNames(l2, options.accel);
  return parseDirectories(await built(namesIn(names), options), names);
}

/**
 * The folder of the virtualized system's image, built if need be.
 *
 * @throws VsbError as buildImages does
 */
export async function buildL2Image(l2: L2Kind, options: BuildOptions): Promise<string> {
  return directoryIn(await built([l2Names[l2]], options), l2Names[l2]);
}

/** What images/build prints, without asking it where nothing has changed since it was asked. */
async function built(names: readonly string[], options: BuildOptions): Promise<string> {
  const { cacheDir, refresh, program } = options;
  const ask = async (): Promise<string> => await runBuild(names, options);
  // Another program than ours has other sources.
  if (program !== undefined) return await ask();
  const inputs = { cacheDir, names, sources: imagesDirectory };
  const known = refresh === true ? undefined : await readStamp(inputs);
  return known ?? (await askAndStamp(inputs, ask));
}

/**
 * Folders by the names of images/build, where each image is or would be built; without those whose
 * packages were never resolved. Nothing is built.
 *
 * @throws VsbError as buildImages does
 */
export async function whereImages(
  names: readonly string[],
  options: BuildOptions,
): Promise<ReadonlyMap<string, string>> {
  const output = await runBuild(names, options, ['--where']);
  return new Map(
    output
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf('\t')), line.slice(line.indexOf('\t') + 1)]),
  );
}

async function runBuild(
  names: readonly string[],
  options: BuildOptions,
  mode: readonly string[] = [
    ...(options.refresh === true ? ['--refresh'] : []),
    ...(options.offline === true ? ['--offline'] : []),
  ],
): Promise<string> {
  options.signal.throwIfAborted();
  const program = options.program ?? `${imagesDirectory}/build`;
  const build = execa(
    program,
    [...names, '--cache', options.cacheDir, ...mode],
    // A group of its own: compilers and package tools below bash are ended with it.
    { detached: true, stdin: 'ignore', reject: false, cleanup: true },
  );
  const last: string[] = [];
  createInterface({ input: build.stderr }).on('line', (line) => {
    last.push(line);
    if (last.length > keptLines) last.shift();
    options.onProgress(line);
  });
  const endGroup = (): void => killGroup(build.pid);
  options.signal.addEventListener('abort', endGroup, { once: true });
  const result = await build;
  options.signal.removeEventListener('abort', endGroup);
  options.signal.throwIfAborted();
  if (result.exitCode === notCached) throw notCachedError(last, options.cacheDir);
  if (result.exitCode !== 0) {
    throw new VsbError('E_BUILD', `building the images failed: ${result.shortMessage ?? ''}`, {
      layer: 'host',
      hint: '`vsbypass doctor` lists what building needs; `vsbypass build` tries again.',
      details: { lastLines: last },
    });
  }
  return result.stdout;
}

/** Exit code of images/build when it would have to fetch something. */
const notCached = 4;

const layersOfImages: readonly [prefix: string, layer: ErrorLayer][] = [
  ['xen', 'L1'],
  ['l1', 'L1'],
  ['l2', 'L2'],
  ['l3', 'L3'],
  ['bochs', 'L0'],
];

/** From the line that images/lib/common.sh (`not_cached`) prints. */
function notCachedError(lines: readonly string[], cacheDir: string): VsbError {
  const pattern =
    /^images: error: (.+?): not in the cache, and --offline forbids to fetch it: (.+)$/;
  const found = lines.map((line) => pattern.exec(line)).find((match) => match !== null);
  const [, image = 'an image', missing = 'something'] = found ?? [];
  const shown = missing.length > maximumShown ? `${missing.slice(0, maximumShown)}...` : missing;
  const layer = layersOfImages.find(([prefix]) => image.startsWith(prefix))?.[1] ?? 'host';
  return new VsbError(
    'E_NOT_CACHED',
    `${layer}: ${image} cannot be built offline, not in the cache: ${shown}`,
    {
      layer,
      hint:
        `Run \`vsbypass build\` once with a network: it fetches what is missing. Or bring apt/, locks/, ` +
        `pool/, xen-source/ and bochs-source/ of another machine's cache into ${cacheDir}.`,
      details: { image, missing },
    },
  );
}

/** Characters of the list of what is missing; all of it is in the details. */
const maximumShown = 200;

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGTERM');
  } catch {
    // It has ended by itself meanwhile.
  }
}

/**
 * Reads `name<TAB>directory` lines.
 *
 * @throws VsbError E_BUILD when one is missing
 */
export function parseDirectories(output: string, names: ImageDirectories): ImageDirectories {
  return {
    xen: directoryIn(output, names.xen),
    l1: directoryIn(output, names.l1),
    ...(names.l2 === undefined ? {} : { l2: directoryIn(output, names.l2) }),
    ...(names.bochs === undefined ? {} : { bochs: directoryIn(output, names.bochs) }),
  };
}

function directoryIn(output: string, name: string): string {
  const line = output.split('\n').find((one) => one.startsWith(`${name}\t`));
  const directory = line?.slice(name.length + 1) ?? '';
  if (directory !== '') return directory;
  throw new VsbError('E_BUILD', `images/build did not say where the image ${name} is`);
}
