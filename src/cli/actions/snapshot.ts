/** Carries `vsbypass snapshot` out. */
import { VsbError } from '../../base/errors.js';
import { existingInstance } from '../../instance/access.js';
import { bringUpInstance } from '../../instance/bring-up.js';
import { callDaemon } from '../../instance/client.js';
import { stopInstance } from '../../instance/stop.js';
import {
  deleteSnapshot,
  listSnapshots,
  requireSnapshot,
  snapshotPaths,
  warmName,
} from '../../machine/saved/store.js';
import { findRoots } from '../../state/paths.js';
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
  snapshotPaths(paths, name);
  const { signal } = context;
  const kept = await callDaemon(paths.controlSocket, 'snapshot.save', { name }, { signal });
  if (json) printJson(context, { schemaVersion: 1, name, ...kept });
  else if (!context.global.quiet) {
    context.stderr.write(`${name}: ${mebibytes(kept.bytes)} in ${kept.seconds.toFixed(1)} s\n`);
  }
}

/** @throws VsbError E_FILE: none of that name, damaged, or made by something else; exit 4 when it does not answer */
export async function restoreSnapshot(
  context: CliContext,
  name: string,
  json: boolean,
): Promise<void> {
  const paths = await existingInstance(context.global.name);
  const { config } = await requireSnapshot(paths, name);
  const reporter = await progressReporter(context);
  try {
    await stopInstance(paths);
    const status = await bringUpInstance({
      paths,
      roots: findRoots(),
      config,
      signal: context.signal,
      warm: { resume: name, must: true },
      report: (event) => reporter.report(event),
    });
    reporter.stop();
    if (json) printJson(context, statusDocument(status, undefined));
    else printLines(context, statusLines(status, undefined));
  } finally {
    reporter.stop();
  }
}

export async function showSnapshots(context: CliContext, json: boolean): Promise<void> {
  const snapshots = await listSnapshots(await existingInstance(context.global.name));
  if (json) {
    printJson(context, { schemaVersion: 1, snapshots });
    return;
  }
  const rows = snapshots.map(({ name, bytes, createdAt }) => [
    name,
    mebibytes(bytes),
    createdAt ?? 'damaged',
  ]);
  printLines(context, table([['NAME', 'DISK', 'SAVED'], ...rows]));
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
