/**
 * What this host must have, as an ordered list: each with what it is for and the Debian package that
 * brings it. scripts/packages lists the same packages for a machine that has nothing yet.
 */
import { access, constants, readFile, statfs } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';

import type { Config } from '../config/schema.js';
import { l0MemoryMiB } from '../config/sizes.js';
import type { Check } from '../contract/check.js';

interface Program {
  readonly program: string;
  readonly package: string;
  readonly purpose: string;
}

/** Needed at every `up`. */
export const runtimePrograms: readonly Program[] = [
  { program: 'qemu-system-x86_64', package: 'qemu-system-x86', purpose: 'the machine of L0' },
  { program: 'openssl', package: 'openssl', purpose: 'hashes the passwords of user VMs' },
  { program: 'zstd', package: 'zstd', purpose: 'packs saved states' },
  { program: 'flock', package: 'util-linux', purpose: 'one daemon for each instance' },
];

/** Needed where L2 is a system of the user's own. */
export const ownSystemPrograms: readonly Program[] = [
  {
    program: 'qemu-img',
    package: 'qemu-utils',
    purpose: "the disks of a system of the user's own",
  },
];

/** Needed only when images are built. */
export const buildPrograms: readonly Program[] = [
  { program: 'gcc', package: 'gcc', purpose: 'compiles the shadow hypervisor' },
  { program: 'make', package: 'make', purpose: 'compiles the shadow hypervisor' },
  { program: 'python3', package: 'python3', purpose: 'compiles the shadow hypervisor' },
  { program: 'flex', package: 'flex', purpose: 'compiles the shadow hypervisor' },
  { program: 'bison', package: 'bison', purpose: 'compiles the shadow hypervisor' },
  { program: 'patch', package: 'patch', purpose: 'applies the patch series' },
  { program: 'readelf', package: 'binutils', purpose: 'unpacks kernels' },
  { program: 'cpio', package: 'cpio', purpose: 'packs images' },
  { program: 'mksquashfs', package: 'squashfs-tools', purpose: 'packs the disk of L1' },
  { program: 'xz', package: 'xz-utils', purpose: 'unpacks kernels' },
  { program: 'lz4', package: 'lz4', purpose: 'unpacks kernels' },
  { program: 'dpkg-deb', package: 'dpkg', purpose: 'unpacks Debian packages' },
  { program: 'apt-get', package: 'apt', purpose: 'fetches Debian packages' },
];

/** Besides these, where L0 is a machine of Bochs. */
export const bochsBuildPrograms: readonly Program[] = [
  { program: 'g++', package: 'g++', purpose: 'compiles Bochs' },
  { program: 'bcc', package: 'bcc', purpose: "compiles Bochs' BIOS" },
  { program: 'as86', package: 'bin86', purpose: "assembles Bochs' BIOS" },
  { program: 'iasl', package: 'acpica-tools', purpose: "compiles Bochs' ACPI tables" },
];

/** The folder of the first executable file of that name in PATH, with its name; undefined when there is none. */
export async function findProgram(
  program: string,
  path: string = process.env['PATH'] ?? '',
): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue;
    const candidate = join(folder, program);
    const executable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) return candidate;
  }
  return undefined;
}

/** One check for each program; the remedy is the apt-get line for all that is missing. */
export async function checkPrograms(
  programs: readonly Program[],
  missing: 'warn' | 'fail',
  path?: string,
): Promise<Check[]> {
  const found = await Promise.all(programs.map(({ program }) => findProgram(program, path)));
  const absent = programs.filter((_, index) => found[index] === undefined);
  const packages = [...new Set(absent.map((program) => program.package))].sort();
  return programs.map(({ program, purpose, package: debianPackage }, index): Check => {
    const place = found[index];
    const common = { id: `program:${program}`, title: `${program} (${purpose})` };
    return place === undefined
      ? {
          ...common,
          result: missing,
          found: `not found; Debian package ${debianPackage}`,
          remedy: `apt-get install ${packages.join(' ')}`,
        }
      : { ...common, result: 'pass', found: place };
  });
}

/** `/proc/meminfo`'s MemAvailable, and what will be free besides, against what the configuration needs. */
export async function checkMemory(
  config: Config,
  freedMiB = 0,
  meminfoPath = '/proc/meminfo',
): Promise<Check> {
  const text = await readFile(meminfoPath, 'utf8');
  const availableKiB = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
  const availableMiB = Math.floor(availableKiB / 1024) + freedMiB;
  const neededMiB = l0MemoryMiB(config) + qemuOwnMemoryMiB;
  return {
    id: 'memory',
    title: 'memory',
    result: availableMiB >= neededMiB ? 'pass' : 'fail',
    found: `${availableMiB} MiB available, ${neededMiB} MiB needed`,
    remedy: 'Stop other programs, or configure fewer or smaller user VMs (vms[].memoryMiB).',
  };
}

/** QEMU's translated code, its device buffers and the daemon. */
const qemuOwnMemoryMiB = 768;

/** Space in MiB that a complete build leaves in the cache, sources and packages included. */
const buildSpaceMiB = 3072;
/** Space in MiB that an instance takes: initrds with overlays, logs. */
const instanceSpaceMiB = 512;

/** Space in MiB for what a system of the user's own writes to its disks; it may be more. */
const overlaySpaceMiB = 1024;

/** Free space where images and instances are kept. */
export async function checkSpace(
  directory: string,
  purpose: 'build' | 'instance',
  config?: Config,
): Promise<Check> {
  const overlays = (config?.l2.disk ?? []).filter((disk) => !disk.readOnly && !disk.keepChanges);
  const neededMiB =
    purpose === 'build' ? buildSpaceMiB : instanceSpaceMiB + overlays.length * overlaySpaceMiB;
  const existing = await existingParent(directory);
  const { bavail, bsize } = await statfs(existing);
  const freeMiB = Math.floor((bavail * bsize) / 1_048_576);
  return {
    id: `space:${purpose}`,
    title: purpose === 'build' ? 'disk space to build images' : 'disk space for the instance',
    result: freeMiB >= neededMiB ? 'pass' : 'fail',
    found: `${freeMiB} MiB free in ${existing}, ${neededMiB} MiB needed`,
    remedy:
      purpose === 'build'
        ? 'Make room there, or set XDG_CACHE_HOME to a larger disk.'
        : 'Make room there, or set XDG_STATE_HOME to a larger disk.',
  };
}

async function existingParent(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    const there = await access(folder).then(
      () => true,
      () => false,
    );
    if (there || folder === '/') return folder;
  }
}
