/** Carries `vsbypass status` out. */
import { setTimeout as delay } from 'node:timers/promises';

import { VsbError } from '../../base/errors.js';
import type { InstanceStatus } from '../../contract/status.js';
import { inspectInstance, listInstances } from '../../instance/inspect.js';
import { instancePaths, type InstancePaths } from '../../state/paths.js';
import { findRoots } from '../../state/roots.js';
import { readPasswords, type Passwords } from '../../state/secrets.js';
import type { CliContext } from '../context.js';
import { printEvent } from '../events.js';
import { printJson, printLines, statusDocument, statusLines } from '../output.js';

export interface StatusOptions {
  readonly all: boolean;
  readonly showPassword: boolean;
  readonly watch: boolean;
  readonly json: boolean;
  readonly events: boolean;
}

/** Pause between two looks of `--watch`. */
const watchIntervalMs = 1000;

/** @throws VsbError E_USAGE; with `--watch` the signal's reason */
export async function showStatus(context: CliContext, options: StatusOptions): Promise<void> {
  const roots = findRoots();
  const find = async (): Promise<InstancePaths[]> =>
    options.all ? await listInstances(roots) : [instancePaths(context.global.name, roots)];
  if (options.watch) {
    if (options.json) throw new VsbError('E_USAGE', '--json ends, --watch does not: use --events');
    await watch(context, options, find);
    return;
  }
  const found = await inspectAll(await find(), context.signal);
  if (options.events) {
    for (const status of found) printEvent(context, { type: 'status', status });
    return;
  }
  const instances = await Promise.all(
    found.map(async (status) => ({ status, passwords: await passwordsOf(status, options) })),
  );
  const documents = instances.map((one) => statusDocument(one.status, one.passwords));
  if (options.json) {
    printJson(
      context,
      options.all ? { schemaVersion: 1, instances: documents } : (documents[0] ?? {}),
    );
    return;
  }
  instances.forEach((one, index) =>
    printLines(context, [...(index === 0 ? [] : ['']), ...statusLines(one.status, one.passwords)]),
  );
}

/** At once: one that does not answer must not hold up the others. */
async function inspectAll(
  instances: readonly InstancePaths[],
  signal: AbortSignal,
): Promise<InstanceStatus[]> {
  return await Promise.all(instances.map(async (paths) => await inspectInstance(paths, signal)));
}

/** A damaged file of passwords spoils only its own instance. */
async function passwordsOf(
  { name }: InstanceStatus,
  { all, showPassword }: StatusOptions,
): Promise<Passwords | undefined> {
  if (!showPassword) return undefined;
  const passwords = readPasswords(instancePaths(name));
  return await (all ? passwords.catch(() => new Map<string, string>()) : passwords);
}

/** Prints each instance when it is not as it was; until the command is ended. */
async function watch(
  context: CliContext,
  { events }: StatusOptions,
  find: () => Promise<InstancePaths[]>,
): Promise<void> {
  const { signal } = context;
  const last = new Map<string, string>();
  for (;;) {
    for (const status of await inspectAll(await find(), signal)) {
      const { name, state, reason, phase } = status;
      // Not the counters: they change all the time.
      const summary = JSON.stringify([state, reason, phase, status.vms.map((vm) => vm.state)]);
      if (last.get(name) === summary) continue;
      last.set(name, summary);
      if (events) printEvent(context, { type: 'status', status });
      else printLines(context, [watchLine(status)]);
    }
    await delay(watchIntervalMs, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
  }
}

function watchLine({ name, state, reason, phase, vms }: InstanceStatus): string {
  const time = new Date().toISOString();
  const why = reason ?? phase;
  const consoles = vms.map((vm) => `${vm.name} ${vm.state}`).join(', ');
  return [
    `${time} ${name}: ${state}${why === undefined ? '' : ` (${why})`}`,
    ...(consoles === '' ? [] : [consoles]),
  ].join('; ');
}
