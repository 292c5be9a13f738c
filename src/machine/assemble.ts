/** Lays out on disk what the machine of L0 boots: links to the images, and the initrd of L1 with the instance's overlay. */
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { fileError } from '../base/files.js';
import type { Config, VmConfig } from '../config/schema.js';
import { packCpio } from '../formats/cpio.js';
import { createOverlay } from '../host/disk-image.js';
import { hashPassword } from '../host/passwords.js';
import type { ImageDirectories } from '../images/build.js';
import { l1Overlay } from '../layers/l1.js';
import { l2Overlay, vmFiles, type L2Vm } from '../layers/l2.js';
import { l3Overlay } from '../layers/l3.js';
import type { InstancePaths } from '../state/paths.js';
import type { Secrets } from '../state/secrets.js';
import { bootFiles, type TestbedPlan } from './plan.js';
import { layOutBochs } from './l0/lay-out-bochs.js';
import { startedInTurn } from './start-in-l2.js';

export interface AssembleInputs {
  readonly paths: InstancePaths;
  readonly config: Config;
  /** The CPU of L0's machine, by the name that its make has for it. */
  readonly cpu: string;
  readonly plan: TestbedPlan;
  readonly secrets: Secrets;
  readonly images: ImageDirectories;
  readonly signal: AbortSignal;
}

/**
 * Fills the instance's boot folder.
 *
 * @throws VsbError E_FILE, E_NO_SPACE; the signal's reason when it aborts
 */
export async function assembleBootFiles(inputs: AssembleInputs): Promise<void> {
  const { paths, secrets, plan, images, signal } = inputs;
  const { l1Host, l2Host, management } = secrets;
  const keys = { authorizedKey: management.publicLine, l1Host, l2Host };
  const inTurn = startedInTurn(inputs.config);
  const vms = await Promise.all(
    inputs.config.vms
      .map((vm) => ({ ...vm, autostart: vm.autostart && !inTurn.has(vm.name) }))
      .map(async (vm) => await defineVm(vm, plan, secrets, signal)),
  );
  const overlay = packOverlay(inputs.config, plan, keys, vms);
  try {
    await link(join(images.xen, 'xen'), join(paths.bootDir, bootFiles.xen));
    await link(join(images.l1, 'vmlinux'), join(paths.bootDir, bootFiles.dom0Kernel));
    const l2Disk = join(paths.bootDir, bootFiles.l2Disk);
    if (images.l2 === undefined) await rm(l2Disk, { force: true });
    else await link(join(images.l2, 'l2.img'), l2Disk);
    await layOutOwnDisks(inputs);
    const initrd = join(paths.bootDir, bootFiles.dom0Initrd);
    await writeInitrd(join(images.l1, 'initrd'), overlay, initrd, signal);
    if (images.bochs !== undefined) await layOutBochs(inputs, images.bochs);
  } catch (error) {
    signal.throwIfAborted();
    throw fileError('cannot lay out the boot files', error);
  }
}

/** What a system of the user's own writes goes beside its disks, unless they are to keep it. */
async function layOutOwnDisks({ config, paths, signal }: AssembleInputs): Promise<void> {
  for (const [index, disk] of (config.l2.disk ?? []).entries()) {
    if (disk.readOnly || disk.keepChanges) continue;
    await createOverlay(disk, join(paths.bootDir, bootFiles.l2Overlay(index)), signal);
  }
}

/** What belongs to the instance, for all layers: nested as they are. */
export function packOverlay(
  config: Config,
  plan: Pick<TestbedPlan, 'l2DomainConfig' | 'l2BootFiles'>,
  keys: { readonly authorizedKey: string; readonly l1Host: Buffer; readonly l2Host: Buffer },
  vms: readonly L2Vm[],
): Buffer {
  const { authorizedKey, l1Host, l2Host } = keys;
  const ofL2 =
    config.l2.disk === undefined
      ? packCpio(l2Overlay({ authorizedKey, hostKey: l2Host }, plan.l2BootFiles, vms))
      : undefined;
  return packCpio(l1Overlay({ authorizedKey, hostKey: l1Host }, plan.l2DomainConfig, ofL2));
}

/** The image's initrd with the overlay behind it. */
export async function writeInitrd(
  image: string,
  overlay: Buffer,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  await rm(path, { force: true });
  await pipeline(
    async function* () {
      yield* createReadStream(image);
      yield overlay;
    },
    createWriteStream(path, { mode: 0o600, flags: 'wx' }),
    { signal },
  );
}

export async function link(target: string, path: string): Promise<void> {
  await rm(path, { force: true });
  await symlink(target, path);
}

/** A user VM as L2 gets it, with the files and the password hash that belong to it. */
export async function defineVm(
  vm: VmConfig,
  plan: Pick<TestbedPlan, 'vms'>,
  secrets: Secrets,
  signal: AbortSignal,
): Promise<L2Vm> {
  const planned = plan.vms.find((candidate) => candidate.name === vm.name);
  const password = secrets.passwords.get(vm.name);
  if (planned === undefined || password === undefined) throw new TypeError(`${vm.name} is unknown`);
  const { name } = vm;
  const files = {
    overlay: packCpio(l3Overlay(name, await hashPassword(password, { signal }))),
    ...(vm.kernel === undefined ? {} : { kernel: await readUserFile(vm.kernel) }),
    ...(vm.initrd === undefined ? {} : { initrd: await readUserFile(vm.initrd) }),
  };
  return { name, autostart: vm.autostart, files: vmFiles(name, planned.definition, files) };
}

async function readUserFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fileError(`cannot read ${path}`, error);
  }
}
