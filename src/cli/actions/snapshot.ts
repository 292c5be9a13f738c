/** Carries `vsbypass snapshot` out. */
import { VsbError } from '../../base/errors.js';
import type { UpEvent } from '../../contract/events.js';
import { existingInstance } from '../../instance/access.js';
import { callDaemon } from '../../instance/client.js';
import { restoreInstance } from '../../instance/restore.js';
import { listShared } from '../../machine/saved/shared.js';
import {
  deleteSnapshot,
  listSnapshots,
  snapshotFolder,
  warmName,
} from '../../machine/saved/store.js';
import { instancePaths } from '../../state/paths.js';
import { findRoots } from '../../state/roots.js';
import type { CliContext } from '../context.js';
import {
  mebibytes,
  printJson,
  printLines,
  progressReporter,
  statusDocument,
  statusLines,
  table,
} from '../output.js';

/** @throws VsbError E_USAGE, E_INSTANCE_NOT_RUNNING, E_SKIPPED (77) where states cannot be trusted, E_NO_SPACE */
export async function saveSnapshot(
  context: CliContext,
  name: string,
  json: boolean,
): Promise<void> {
  const paths = await existingInstance(context.global.name);
  assertOwnName(name);
  snapshotFolder(paths, name);
  const { signal } = context;
  const kept = await callDaemon(paths.controlSocket, 'snapshot.save', { name }, { signal });
  if (json) printJson(context, { schemaVersion: 1, name, ...kept });
  else if (!context.global.quiet) {
    context.stderr.write(`${name}: ${mebibytes(kept.bytes)} in ${kept.seconds.toFixed(1)} s\n`);
  }
}

/** @throws VsbError as restoreInstance does; exit 4 when it does not answer */
export async function restoreSnapshot(
  context: CliContext,
  name: string,
  json: boolean,
): Promise<void> {
  const paths = await existingInstance(context.global.name);
  const reporter = await progressReporter(context);
  try {
    const { signal } = context;
    const report = (event: UpEvent): void => reporter.report(event);
    const status = await restoreInstance({ paths, roots: findRoots(), signal, report }, name);
    reporter.stop();
    if (json) printJson(context, statusDocument(status, undefined));
    else printLines(context, statusLines(status, undefined));
  } finally {
    reporter.stop();
  }
}

/** Those of the instance, and those that belong to all. */
export async function showSnapshots(context: CliContext, json: boolean): Promise<void> {
  const roots = findRoots();
  const snapshots = await listSnapshots(instancePaths(context.global.name, roots));
  const shared = (await listShared(roots.cache)).map(({ key, bytes, usedAtMs, ...rest }) => ({
    ...{ key, bytes, createdAt: rest.createdAt, l2: rest.l2, vms: rest.vms },
    ...(rest.createdAt === undefined ? {} : { usedAt: new Date(usedAtMs).toISOString() }),
  }));
  if (json) {
    printJson(context, { schemaVersion: 1, snapshots, shared });
    return;
  }
  const rows = [
    ...snapshots.map(({ name, bytes, createdAt }) => [name, bytes, createdAt, ''] as const),
    ...shared.map(({ key, bytes, createdAt, l2, vms }) => {
      const make = l2 === undefined ? '' : `any instance with L2 = ${l2}, user VMs: ${vms}`;
      return [key, bytes, createdAt, make] as const;
    }),
  ].map(([name, bytes, createdAt, of]) => [name, mebibytes(bytes), createdAt ?? 'damaged', of]);
  printLines(context, table([['NAME', 'DISK', 'SAVED', 'FOR'], ...rows]));
}

/** @throws VsbError E_FILE when there is none of that name */
export async function removeSnapshot(context: CliContext, name: string): Promise<void> {
  const paths = await existingInstance(context.global.name);
  if (await deleteSnapshot(paths, name)) return;
  throw new VsbError('E_FILE', `instance '${paths.name}' has no snapshot '${name}'`);
}

function assertOwnName(name: string): void {
  if (name !== warmName) return;
  throw new VsbError('E_USAGE', `'${warmName}' is the name of the state that \`up\` keeps itself`);
}
