/** One cold boot by the command line, as a user does it, and the end of it. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { z } from 'zod';

import { ExitCode, VsbError, isErrorCode, type ErrorCode } from '../base/errors.js';
import { installed } from '../base/installation.js';
import { parseJson } from '../base/json.js';
import { errorDocumentSchema } from '../contract/error.js';
import { bootEventSchema, type BootEvent } from '../contract/events.js';
import type { InstancePaths } from '../state/paths.js';
import type { BootsOptions } from './options.js';
import type { Boot, PhaseTime } from './series.js';

const executable = installed('bin/vsbypass.js');
const downLimitMs = 120_000;
const keptComplaints = 64_000;
/** What of the events of `up` is of use here. */
const lineSchema = z.union([
  bootEventSchema,
  z.object({ type: z.literal('error'), error: errorDocumentSchema }),
]);

export interface BootOnceOptions {
  readonly number: number;
  readonly options: BootsOptions;
  readonly paths: InstancePaths;
  readonly signal: AbortSignal;
  readonly onEvent: (event: BootEvent) => void;
}

/** @throws VsbError what keeps every boot from beginning; the signal's reason; nothing is left running then */
export async function bootOnce(about: BootOnceOptions): Promise<Boot> {
  const { number, options, paths, signal, onEvent } = about;
  const started = performance.now();
  const phases: PhaseTime[] = [];
  const up = spawn(process.execPath, [executable, ...upWords(options)], {
    // ^C is for this command first, which passes it on.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const interrupt = (): void => void up.kill('SIGINT');
  signal.addEventListener('abort', interrupt, { once: true });
  let complaints = '';
  up.stderr.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-keptComplaints);
  });
  let said: { code: ErrorCode; message: string } = {
    code: 'E_INTERNAL',
    message: '`up` did not say why it failed',
  };
  createInterface({ input: up.stdout }).on('line', (line) => {
    const parsed = lineSchema.safeParse(parseJson(line));
    if (!parsed.success) return;
    const event = parsed.data;
    if (event.type === 'error') {
      const { code, message } = event.error;
      if (isErrorCode(code)) said = { code, message };
      return;
    }
    if (event.reason === 'passed') phases.push({ phase: event.phase, ms: event.elapsedMs });
    onEvent(event);
  });
  try {
    const [code] = (await once(up, 'close')) as [number | null];
    const ms = performance.now() - started;
    signal.throwIfAborted();
    if (code === 0) return { number, phases, ms };
    // What is wrong with the command line or the host will be so at the next boot, too.
    if (code === ExitCode.usage || code === ExitCode.host)
      throw new VsbError(said.code, said.message);
    const evidence = join(options.evidence, `${options.l2}-${number}`);
    await keepEvidence(paths, evidence, complaints);
    return { number, phases, ms, failure: { ...said, evidence } };
  } finally {
    signal.removeEventListener('abort', interrupt);
    await takeDown(options.name);
  }
}

function upWords({ name, l2, keepState, up }: BootsOptions): string[] {
  const keep = keepState ? ['--keep-failed'] : [];
  return ['--name', name, 'up', '--cold', '--no-save', '--events', '--l2', l2, ...keep, ...up];
}

export async function takeDown(name: string): Promise<void> {
  await promisify(execFile)(process.execPath, [executable, '--name', name, '-q', 'down'], {
    timeout: downLimitMs,
  });
}

/** All logs, where the machine stood, what the command said. */
async function keepEvidence(
  { logDir, failedBootDir }: InstancePaths,
  directory: string,
  complaints: string,
): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await cp(logDir, join(directory, 'log'), { recursive: true });
  await writeFile(join(directory, 'up.txt'), complaints, { mode: 0o600 });
  await moveDirectory(failedBootDir, join(directory, 'machine'));
}

async function moveDirectory(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch {
    // Another file system, or there is none.
    await cp(from, to, { recursive: true }).catch(() => undefined);
    await rm(from, { recursive: true, force: true });
  }
}
