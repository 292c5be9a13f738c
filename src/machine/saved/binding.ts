/** What a saved state is bound to: all that made it. Loaded into anything else it would be undefined. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { realpath } from 'node:fs/promises';

import { z } from 'zod';

import { VsbError } from '../../base/errors.js';
import { packageVersion } from '../../base/version.js';
import type { Config } from '../../config/schema.js';
import type { Accel } from '../../host/accel.js';
import { findProgram } from '../../host/requirements.js';
import type { ImageDirectories } from '../../images/build.js';
import type { TestbedPlan } from '../plan.js';

export const bindingSchema = z.object({
  /** The QEMU binary: its hash, which stands for its version too. */
  qemu: z.string(),
  /** Its command line, and with it machine, CPU model and memory. */
  commandLine: z.string(),
  /** Command lines and configurations of all layers below it. */
  layers: z.string(),
  /** Folders of the images; their names are hashes of the contents. */
  images: z.string(),
  accel: z.string(),
  config: z.string(),
  /** This program's version. */
  version: z.string(),
});
export type Binding = z.output<typeof bindingSchema>;

export interface BindingInputs {
  readonly plan: TestbedPlan;
  readonly config: Config;
  readonly accel: Accel;
  readonly images: ImageDirectories;
}

/** @throws VsbError E_QEMU_MISSING */
export async function bindingOf({ plan, config, accel, images }: BindingInputs): Promise<Binding> {
  const { machine, ...layers } = plan;
  const program = await findProgram(machine.program);
  if (program === undefined) {
    throw new VsbError('E_QEMU_MISSING', `${machine.program} is not there`, { layer: 'L0' });
  }
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(await realpath(program))) hash.update(chunk as Buffer);
  return {
    qemu: hash.digest('hex'),
    commandLine: hashOf(machine.arguments),
    layers: hashOf(layers),
    images: hashOf(images),
    accel,
    // How long somebody waits, and where the console listens, does not change the machine.
    config: hashOf({ ...config, patience: 0, console: config.console.mode }),
    version: packageVersion(),
  };
}

/** The parts in which a state does not fit; none: it does. */
export function differences(kept: Binding, now: Binding): string[] {
  return Object.keys(bindingSchema.shape).filter(
    (part) => kept[part as keyof Binding] !== now[part as keyof Binding],
  );
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
