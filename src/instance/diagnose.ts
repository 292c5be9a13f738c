/** What `doctor` looks at beyond what `up` checks itself: things that make it slow, late or odd. */
import { readFile, readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';

import { execa } from 'execa';
import { digestOfFile } from '../base/digest.js';
import { errnoOf, messageOf } from '../base/errors.js';
import { stretched } from '../base/machine-pace.js';
import type { Config } from '../config/schema.js';
import type { Check } from '../contract/check.js';
import { usableFeatures } from '../host/accel.js';
import { findKvmModule, probeKvm, setParameter } from '../host/kvm.js';
import { answerLimitMs, qemuProgram } from '../host/qemu.js';
import { outputsSchema } from '../images/manifest.js';
import { pruneCache } from '../images/prune.js';
import {
  instancePaths,
  maximumSocketPathBytes,
  socketPathsOf,
  type InstancePaths,
} from '../state/paths.js';
import type { Roots } from '../state/roots.js';
import { imagesInUse } from './images-in-use.js';
import { inspectInstance, listInstances } from './inspect.js';

export interface DiagnosisRequest {
  readonly config: Config;
  readonly name: string;
  readonly roots: Roots;
  readonly signal: AbortSignal;
}

/** In a fixed order; each takes some seconds at most, and none throws but for the signal. */
export async function diagnose(request: DiagnosisRequest): Promise<Check[]> {
  const { config, name, roots, signal } = request;
  return await Promise.all([
    checkKvm(signal),
    checkNesting(),
    checkDevices(signal),
    checkPort(config.console.port),
    checkOpenFiles(),
    Promise.resolve(checkSocketPaths(name, roots)),
    checkInstances(roots, signal),
    checkImages(roots.cache),
    checkCacheSize(roots, signal),
  ]);
}

async function checkKvm(signal: AbortSignal): Promise<Check> {
  const common = { id: 'kvm', title: 'what KVM offers to guests' };
  const found = usableFeatures(await probeKvm({ signal }));
  return 'reason' in found
    ? { ...common, result: 'warn', found: found.reason, remedy: `${found.remedy} ${tcgInstead}` }
    : { ...common, result: 'pass', found: 'SVM with nested paging' };
}

const tcgInstead = 'TCG is slower, and has the same functions.';

/** Nested virtualization is a parameter of KVM's modules (Linux, Documentation/virt/kvm/x86/running-nested-guests.rst). */
export async function checkNesting(modules?: string): Promise<Check> {
  const common = { id: 'nesting', title: 'nested virtualization in KVM' };
  const module = await findKvmModule(modules);
  if (module === undefined) {
    return { ...common, result: 'skip', found: 'neither kvm_amd nor kvm_intel is loaded' };
  }
  const { name, nested, npt } = module;
  if (name === 'kvm_intel') {
    return {
      ...common,
      result: 'skip',
      found: `${name} is used only where --cpu intel asks for it`,
    };
  }
  const off = Object.entries({ nested, npt }).flatMap(([key, on]) => (on === false ? [key] : []));
  if (off.length === 0) return { ...common, result: 'pass', found: `${name}.nested is on` };
  return {
    ...common,
    result: 'warn',
    found: off.map((key) => `${name}.${key} is off`).join(', '),
    remedy: setParameter(module, ...off.map((key) => `${key}=1`)),
  };
}

const neededDevices = [
  'isa-serial',
  'virtio-blk-pci',
  'virtio-net-pci',
  'virtio-serial-pci',
  'virtserialport',
];

async function checkDevices(signal: AbortSignal): Promise<Check> {
  const common = { id: 'devices', title: "QEMU's devices" };
  const { stdout, failed } = await execa(qemuProgram, ['-machine', 'none', '-device', 'help'], {
    reject: false,
    timeout: stretched(answerLimitMs),
    cancelSignal: signal,
  });
  signal.throwIfAborted();
  if (failed) return { ...common, result: 'skip', found: 'QEMU cannot be asked' };
  const missing = neededDevices.filter((device) => !stdout.includes(`name "${device}"`));
  return missing.length === 0
    ? { ...common, result: 'pass', found: neededDevices.join(', ') }
    : {
        ...common,
        result: 'fail',
        found: `not there: ${missing.join(', ')}`,
        remedy: 'apt-get install qemu-system-x86',
      };
}

export async function checkPort(port: number): Promise<Check> {
  const common = { id: 'port', title: 'TCP port of the console' };
  if (port === 0) return { ...common, result: 'skip', found: 'a free one is taken at each start' };
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return { ...common, result: 'pass', found: `${port} is free` };
  } catch (error) {
    const found = `127.0.0.1:${port}: ${errnoOf(error) ?? messageOf(error)}`;
    const remedy = `ss -ltnp 'sport = :${port}' shows who has it, if it is not an instance of yours.`;
    return { ...common, result: 'warn', found, remedy };
  } finally {
    server.close();
  }
}

/** QEMU and the daemon open some dozens each; slirp one for each connection. */
const neededOpenFiles = 512;

export async function checkOpenFiles(limitsPath = '/proc/self/limits'): Promise<Check> {
  const common = { id: 'open-files', title: 'open files for one process' };
  const text = await readFile(limitsPath, 'utf8');
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1] ?? '0';
  const enough = soft === 'unlimited' || Number(soft) >= neededOpenFiles;
  return enough
    ? { ...common, result: 'pass', found: soft }
    : {
        ...common,
        result: 'fail',
        found: `${soft}, ${neededOpenFiles} are needed`,
        remedy: `ulimit -n ${neededOpenFiles}`,
      };
}

function checkSocketPaths(name: string, roots: Roots): Check {
  const common = { id: 'socket-paths', title: 'length of socket paths' };
  try {
    const lengths = socketPathsOf(instancePaths(name, roots)).map((path) =>
      Buffer.byteLength(path),
    );
    const found = `${Math.max(...lengths)} of ${maximumSocketPathBytes} bytes`;
    return { ...common, result: 'pass', found };
  } catch (error) {
    const remedy = 'Choose a shorter --name, or a shorter XDG_STATE_HOME or XDG_RUNTIME_DIR.';
    return { ...common, result: 'fail', found: messageOf(error), remedy };
  }
}

async function checkInstances(roots: Roots, signal: AbortSignal): Promise<Check> {
  const common = { id: 'instances', title: 'instances' };
  const instances: InstancePaths[] = await listInstances(roots);
  const found = await Promise.all(
    instances.map(async (paths) => await inspectInstance(paths, signal)),
  );
  const broken = found.filter(({ state }) => state === 'broken');
  if (broken.length === 0) {
    const text = found.map(({ name, state }) => `${name} ${state}`).join(', ');
    return { ...common, result: 'pass', found: text === '' ? 'none' : text };
  }
  return {
    ...common,
    result: 'warn',
    found: broken.map(({ name, reason }) => `${name} is broken: ${reason}`).join('; '),
    remedy: broken.map(({ name }) => `vsbypass --name ${name} down`).join(' && '),
  };
}

/** Every image in the cache against its manifest. */
export async function checkImages(cache: string): Promise<Check> {
  const common = { id: 'images', title: 'integrity of the images' };
  const damaged: string[] = [];
  let files = 0;
  for (const name of await readdir(cache).catch(() => [])) {
    const directory = join(cache, name);
    const text = await readFile(join(directory, 'manifest.json'), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    try {
      for (const { file, sha256 } of outputsSchema.parse(JSON.parse(text)).outputs) {
        files++;
        if ((await digestOfFile(join(directory, file))) !== sha256)
          damaged.push(join(directory, file));
      }
    } catch {
      damaged.push(directory);
    }
  }
  if (damaged.length > 0) {
    const found = `not what was built: ${damaged.join(', ')}`;
    const folders = [...new Set(damaged.map((path) => path.slice(cache.length + 1).split('/')[0]))];
    const remedy = `rm -r ${folders.map((folder) => join(cache, folder ?? '')).join(' ')} && vsbypass build`;
    return { ...common, result: 'fail', found, remedy };
  }
  return files === 0
    ? { ...common, result: 'warn', found: 'not built yet', remedy: 'vsbypass build' }
    : { ...common, result: 'pass', found: `${files} files are as they were built` };
}

/** MiB of the cache without use that are worth a word: some generations of images. */
const muchUnusedMiB = 2048;

/** Nothing is removed from the cache but by `prune`, so somebody has to say when it is time. */
export async function checkCacheSize(
  roots: Roots,
  signal: AbortSignal,
  limitMiB = muchUnusedMiB,
): Promise<Check> {
  const common = { id: 'cache', title: 'what of the cache has no use' };
  try {
    const keep = await imagesInUse(roots, { signal });
    const unused = await pruneCache({ cacheDir: roots.cache, signal, keep, dryRun: true });
    const bytes = unused.reduce((sum, entry) => sum + entry.bytes, 0);
    const mebibytes = Math.round(bytes / 1_048_576);
    const found = `${mebibytes} MiB in ${roots.cache}`;
    return mebibytes < limitMiB
      ? { ...common, result: 'pass', found }
      : { ...common, result: 'warn', found, remedy: 'vsbypass prune' };
  } catch (error) {
    signal.throwIfAborted();
    return { ...common, result: 'skip', found: messageOf(error) };
  }
}
