/** The machine and the versions that a result belongs to. */
import { cpus, loadavg, release, totalmem } from 'node:os';
import { basename } from 'node:path';

import { packageVersion } from '../base/version.js';
import type { AccelDecision } from '../host/accel.js';
import { probeQemu } from '../host/qemu.js';
import type { Environment } from './results.js';

export interface EnvironmentInputs {
  readonly accel: AccelDecision;
  /** Folders of images, by name. */
  readonly images: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly signal: AbortSignal;
}

export async function describeEnvironment(inputs: EnvironmentInputs): Promise<Environment> {
  const { accel, images, seed, signal } = inputs;
  const { major, minor, micro } = await probeQemu({ signal });
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    version: packageVersion(),
    accel: accel.accel,
    accelWhy: accel.why,
    cpu: processors[0]?.model ?? 'unknown',
    cpus: processors.length,
    memoryMiB: Math.round(totalmem() / 1_048_576),
    kernel: release(),
    qemu: `${major}.${minor}.${micro}`,
    node: process.version,
    load: [currentLoad()],
    images: Object.fromEntries(
      Object.entries(images).map(([name, folder]) => [name, basename(folder)]),
    ),
    seed,
  };
}

/** Load average of the last minute. */
export function currentLoad(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}
