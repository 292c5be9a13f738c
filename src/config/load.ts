/**
 * Finds, reads and checks `vsbypass.json`. Every complaint names the file and the path of the key.
 */
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

import type { z } from 'zod';

import { VsbError, errnoOf, messageOf } from '../base/errors.js';
import { readKey } from '../formats/keys/key-files.js';
import { assertIrqMode, needsServer } from './interrupts.js';
import { assertEnoughMemory, assertOwnDisks } from './possible.js';
import {
  configSchema,
  maximumVms,
  withDefaultVms,
  type AccelChoice,
  type CpuChoice,
  type Config,
  type ConsoleMode,
  type IrqMode,
  type L2Kind,
} from './schema.js';

export const configFileName = 'vsbypass.json';

export interface ConfigRequest {
  /** `--config`: must exist. Without it `vsbypass.json` in `directory` is read if there is one. */
  readonly path?: string | undefined;
  readonly directory: string;
  /** `--vms`: that many default user VMs; the file must not list any then. */
  readonly vmCount?: number | undefined;
  /** `--accel`: wins over the file. */
  readonly accel?: AccelChoice | undefined;
  /** `--cpu`: wins over the file. */
  readonly cpu?: CpuChoice | undefined;
  /** `--l2`: wins over the file. */
  readonly l2Kind?: L2Kind | undefined;
  /** `--console`: wins over the file. */
  readonly consoleMode?: ConsoleMode | undefined;
  /** `--irq`: wins over the file. */
  readonly irqMode?: IrqMode | undefined;
}

/**
 * Returns the configuration with defaults filled in and file names made absolute (relative ones
 * count from the configuration file's folder).
 *
 * @throws VsbError E_CONFIG (exit 2): not readable, not JSON, a wrong key or value, a missing VM file; E_IRQ_MODE
 */
export async function loadConfig(request: ConfigRequest): Promise<Config> {
  const path = resolve(request.directory, request.path ?? configFileName);
  const text = await readText(path, request.path === undefined);
  const config = parseConfig(text ?? '{}', path, request.vmCount);
  if (request.accel !== undefined) config.accel = request.accel;
  if (request.cpu !== undefined) config.cpu = request.cpu;
  if (request.l2Kind !== undefined) config.l2.kind = request.l2Kind;
  if (request.consoleMode !== undefined) config.console.mode = request.consoleMode;
  if (request.irqMode !== undefined) config.irq = request.irqMode;
  assertIrqMode(config, config.irq);
  assertServerAllowed(config);
  return await resolveFiles(config, path);
}

/** A server in L2 has to be brought there. */
function assertServerAllowed({ irq, l2 }: Config): void {
  if (!needsServer(irq) || l2.disk === undefined || l2.ssh !== undefined) return;
  throw new VsbError(
    'E_L2_ACCESS',
    `the interrupt path ${irq} needs a server in L2, and nobody lets us in`,
    {
      hint: 'Give a key in l2.ssh, or use the path `direct`, which needs nothing in L2.',
    },
  );
}

async function readText(path: string, mayBeMissing: boolean): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (mayBeMissing && errnoOf(error) === 'ENOENT') return undefined;
    throw new VsbError('E_CONFIG', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * The same for a configuration that is no file; relative file names count from `directory`.
 *
 * @throws VsbError E_CONFIG
 */
export async function resolveConfig(document: unknown, directory: string): Promise<Config> {
  const config = checkConfig(document, 'the configuration', undefined);
  return await resolveFiles(config, resolve(directory, configFileName));
}

/** Parses and checks the text of a configuration file; `path` is for the messages only. */
export function parseConfig(text: string, path: string, vmCount?: number): Config {
  if (
    vmCount !== undefined &&
    !(Number.isInteger(vmCount) && vmCount >= 1 && vmCount <= maximumVms)
  ) {
    throw new VsbError('E_USAGE', `--vms takes a number from 1 to ${maximumVms}`);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new VsbError('E_CONFIG', `${path} is not JSON: ${messageOf(error)}`, { cause: error });
  }
  return checkConfig(document, path, vmCount);
}

function checkConfig(document: unknown, path: string, vmCount: number | undefined): Config {
  const result = configSchema.safeParse(document);
  if (!result.success) {
    const problems = result.error.issues.map(describeIssue);
    throw new VsbError('E_CONFIG', `${path}: ${problems.join('; ')}`, {
      hint: 'Every key is described in docs/configuration.md.',
      details: { path, problems },
    });
  }
  if (vmCount !== undefined && result.data.vms !== undefined) {
    throw new VsbError('E_USAGE', `--vms cannot be combined with the user VMs listed in ${path}`);
  }
  if (vmCount !== undefined && result.data.l2.disk !== undefined) {
    throw new VsbError('E_USAGE', `--vms: the system of l2.disk in ${path} has its own VMs`);
  }
  return withDefaultVms(result.data, vmCount);
}

/** `vms[0].memoryMiB: Too small: expected number to be >=96`. */
function describeIssue(issue: z.core.$ZodIssue): string {
  const key = issue.path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : index === 0 ? String(part) : `.${String(part)}`,
    )
    .join('');
  return key === '' ? issue.message : `${key}: ${issue.message}`;
}

async function resolveFiles(config: Config, configPath: string): Promise<Config> {
  const folder = dirname(configPath);
  const absolute = async (file: string, key: string): Promise<string> => {
    const path = resolve(folder, file);
    const found = await stat(path).catch(() => undefined);
    // A disk may be a block device; everything else is a plain file.
    if (
      found === undefined ||
      !(found.isFile() || (found.isBlockDevice() && key.endsWith('path')))
    ) {
      throw new VsbError('E_CONFIG', `${configPath}: ${key}: there is no file ${path}`);
    }
    return path;
  };
  const allAbsolute = async (files: readonly string[], key: string): Promise<string[]> =>
    await Promise.all(files.map(async (file, index) => await absolute(file, `${key}[${index}]`)));
  const { disk, ssh } = config.l2;
  const l2 = {
    ...config.l2,
    ...(disk === undefined
      ? {}
      : {
          disk: await Promise.all(
            disk.map(async (one, index) => ({
              ...one,
              path: await absolute(one.path, `l2.disk[${index}].path`),
            })),
          ),
        }),
    ...(ssh === undefined ? {} : { ssh: { ...ssh, key: await absolute(ssh.key, 'l2.ssh.key') } }),
  };
  if (l2.ssh !== undefined) await assertUsableKey(l2.ssh.key, configPath);
  const vms = await Promise.all(
    config.vms.map(async (vm, index) => ({
      ...vm,
      ...(vm.kernel === undefined
        ? {}
        : { kernel: await absolute(vm.kernel, `vms[${index}].kernel`) }),
      ...(vm.initrd === undefined
        ? {}
        : { initrd: await absolute(vm.initrd, `vms[${index}].initrd`) }),
      ...(vm.disk === undefined
        ? {}
        : { disk: { ...vm.disk, path: await absolute(vm.disk.path, `vms[${index}].disk.path`) } }),
      authorizedKeys: await allAbsolute(vm.authorizedKeys, `vms[${index}].authorizedKeys`),
      watchKeys: await allAbsolute(vm.watchKeys, `vms[${index}].watchKeys`),
    })),
  );
  assertEnoughMemory(config, configPath);
  await assertOwnDisks({ ...config, l2, vms }, configPath);
  const { authorizedKeys, watchKeys, certificateAuthorities } = config.console;
  const console = {
    ...config.console,
    authorizedKeys: await allAbsolute(authorizedKeys, 'console.authorizedKeys'),
    watchKeys: await allAbsolute(watchKeys, 'console.watchKeys'),
    certificateAuthorities: await allAbsolute(
      certificateAuthorities,
      'console.certificateAuthorities',
    ),
  };
  return { ...config, l2, console, vms };
}

/** Nobody could type a passphrase where it is used. */
async function assertUsableKey(path: string, configPath: string): Promise<void> {
  try {
    await readKey(path);
  } catch (cause) {
    throw new VsbError('E_CONFIG', `${configPath}: l2.ssh.key: ${messageOf(cause)}`, {
      hint: `A private key without a passphrase is needed: \`ssh-keygen -p -f ${path}\` takes it off.`,
      cause,
    });
  }
}
