/** What a saved state is bound to: all that made it. Loaded into anything else it would be undefined. */
import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';

import { z } from 'zod';

import { digestOfFile } from '../../base/digest.js';
import { VsbError } from '../../base/errors.js';
import { packageVersion } from '../../base/version.js';
import type { Config } from '../../config/schema.js';
import type { AccelDecision } from '../../host/accel.js';
import { packCpio } from '../../formats/cpio.js';
import { findProgram } from '../../host/requirements.js';
import type { ImageDirectories } from '../../images/build.js';
import { vmFiles } from '../../layers/l2.js';
import { l3Overlay } from '../../layers/l3.js';
import { packOverlay } from '../assemble.js';
import { planTestbed, type PlannedPaths, type TestbedPlan } from '../plan.js';

export const bindingSchema = z.object({
  /** The QEMU binary: its hash, which stands for its version too. */
  qemu: z.string(),
  /** Its command line, and with it machine, CPU model and memory. */
  commandLine: z.string(),
  /** Command lines, configurations and files of all layers below it. */
  layers: z.string(),
  /** Names of the images' folders, which are hashes of their contents. */
  images: z.string(),
  accel: z.string(),
  config: z.string(),
  /** This program's version. */
  version: z.string(),
});
export type Binding = z.output<typeof bindingSchema>;

export interface BindingInputs {
  readonly config: Config;
  readonly accel: AccelDecision;
  readonly images: ImageDirectories;
}

/** An instance of no name: what it is called, and where its files are, does not change the machine. */
const anyInstance: PlannedPaths = {
  name: 'any',
  bootDir: 'boot',
  l1Socket: 'l1',
  l2Socket: 'l2',
  qmpSocket: 'qmp',
  linkSocket: 'link',
};

/** @throws VsbError E_QEMU_MISSING */
export async function bindingOf({ config, accel, images }: BindingInputs): Promise<Binding> {
  const plan = planTestbed(anyInstance, config, accel);
  const { machine, ...layers } = plan;
  const program = await findProgram(machine.program);
  if (program === undefined) {
    throw new VsbError('E_QEMU_MISSING', `${machine.program} is not there`, { layer: 'L0' });
  }
  const { xen, l1, l2 } = images;
  return {
    qemu: await digestOfFile(await realpath(program)),
    commandLine: hashOf(machine.arguments),
    layers: hashOf({ ...layers, overlay: overlayOf(config, plan).toString('base64') }),
    images: hashOf([xen, l1, l2 ?? []].flat().map((folder) => basename(folder))),
    accel: accel.accel,
    config: hashOf(ofMachine(config)),
    version: packageVersion(),
  };
}

/** The parts in which a state does not fit; none: it does. */
export function differences(kept: Binding, now: Binding): string[] {
  return Object.keys(bindingSchema.shape).filter(
    (part) => kept[part as keyof Binding] !== now[part as keyof Binding],
  );
}

/** What the layers are given beside their images, of an instance that has no secrets. */
function overlayOf(config: Config, plan: TestbedPlan): Buffer {
  const none = { authorizedKey: '', l1Host: Buffer.alloc(0), l2Host: Buffer.alloc(0) };
  const vms = plan.vms.map(({ name, definition }) => {
    const overlay = packCpio(l3Overlay(name, ''));
    return { name, autostart: true, files: vmFiles(name, definition, { overlay }) };
  });
  return packOverlay(config, plan, none, vms);
}

/** Without what does not change the machine: how long somebody waits, who may use the consoles and where, what was decided on. */
function ofMachine(config: Config): object {
  const vms = config.vms.map((vm) => ({ ...vm, authorizedKeys: [], watchKeys: [] }));
  const others = { patience: 0, accel: '', cpu: '', consoles: [] };
  return { ...config, ...others, console: config.console.mode, vms };
}

/** Of all that it says, in whatever order. */
function hashOf(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) =>
    typeof part !== 'object' || part === null || Array.isArray(part)
      ? part
      : Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
  return createHash('sha256').update(text).digest('hex');
}
