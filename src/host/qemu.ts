/** What the installed QEMU is, and what the CPU that KVM offers to guests has. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import { Duplex } from 'node:stream';

import { z } from 'zod';

import { VsbError, messageOf } from '../base/errors.js';
import type { QemuVersion } from '../formats/qmp.js';
import { QmpClient } from './qmp.js';

export const qemuProgram = 'qemu-system-x86_64';
/** bookworm's; older ones were never tried. */
export const oldestQemu = { major: 7, minor: 2 } as const;

const kvmSchema = z.object({ enabled: z.boolean() });
const expansionSchema = z.object({
  model: z.object({ props: z.record(z.string(), z.unknown()) }),
});

/** What KVM offers, or why nothing is known about it. */
export type KvmFinding =
  | { readonly usable: true; readonly svm: boolean; readonly vmx: boolean }
  | { readonly usable: false; readonly reason: string };

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  readonly program?: string;
}

/**
 * Asks QEMU for its version, and where `kvm` is true for the CPU model `host` as KVM would give it to
 * a guest. A /dev/kvm that opens says nothing: a host that itself runs paravirtualized has one, and
 * its guests get neither SVM nor VMX.
 *
 * @throws VsbError E_QEMU_MISSING, E_QMP when QEMU cannot be asked; with `kvm`, failures are findings instead
 */
export async function probeQemu(options: ProbeOptions = {}): Promise<QemuVersion> {
  return await withProbe('none,accel=tcg', options, (qmp) => Promise.resolve(qmp.version));
}

/** See `probeQemu`. */
export async function probeKvm(
  options: ProbeOptions = {},
  device = '/dev/kvm',
): Promise<KvmFinding> {
  const refused = await access(device, constants.R_OK | constants.W_OK).then(
    () => undefined,
    (error: unknown) => messageOf(error),
  );
  if (refused !== undefined) {
    return { usable: false, reason: `${device} cannot be opened (${refused})` };
  }
  try {
    return await withProbe('none,accel=kvm', options, async (qmp) => {
      const call = { signal: options.signal };
      if (!kvmSchema.parse(await qmp.execute('query-kvm', {}, call)).enabled) {
        return { usable: false, reason: `${device} opens, but QEMU cannot use KVM` };
      }
      const answer = expansionSchema.parse(
        await qmp.execute(
          'query-cpu-model-expansion',
          { type: 'full', model: { name: 'host' } },
          call,
        ),
      );
      const { svm, vmx } = answer.model.props;
      return { usable: true, svm: svm === true, vmx: vmx === true };
    });
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    return { usable: false, reason: `QEMU with accel=kvm failed (${messageOf(error)})` };
  }
}

/** Runs a QEMU without a guest, its QMP on standard input and output, for as long as `ask` takes. */
async function withProbe<T>(
  machine: string,
  options: ProbeOptions,
  ask: (qmp: QmpClient) => Promise<T>,
): Promise<T> {
  const child = spawn(
    options.program ?? qemuProgram,
    [
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-machine',
      machine,
      '-S',
      '-qmp',
      'stdio',
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let complaints = '';
  child.stderr.on(
    'data',
    (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-500)),
  );
  const exited = once(child, 'close').catch(() => undefined);
  const started = once(child, 'spawn');
  try {
    await started;
  } catch (error) {
    throw new VsbError('E_QEMU_MISSING', `cannot start ${qemuProgram}: ${messageOf(error)}`, {
      hint: 'apt-get install qemu-system-x86',
      cause: error,
    });
  }
  try {
    const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
    const qmp = await QmpClient.attach(stream, {
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? 10_000,
    });
    try {
      return await ask(qmp);
    } finally {
      qmp.close();
    }
  } catch (error) {
    child.kill('SIGKILL');
    await exited;
    const why = complaints.trim().split('\n')[0];
    if (why === undefined || why === '' || options.signal?.aborted === true) throw error;
    throw new VsbError('E_QMP', why, { cause: error });
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

/** @throws VsbError E_QEMU_TOO_OLD */
export function assertQemuVersion(version: QemuVersion): void {
  const { major, minor } = oldestQemu;
  if (version.major > major || (version.major === major && version.minor >= minor)) return;
  throw new VsbError(
    'E_QEMU_TOO_OLD',
    `QEMU ${version.major}.${version.minor}.${version.micro} is too old, ${major}.${minor} is needed`,
    { hint: 'Debian 12 and later bring a new enough qemu-system-x86.' },
  );
}
