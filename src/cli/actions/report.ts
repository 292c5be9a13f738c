/** Carries `vsbypass report` out. */
import { resolve } from 'node:path';

import { messageOf } from '../../base/errors.js';
import { loadConfig } from '../../config/load.js';
import { inspectHost } from '../../host/checks.js';
import { existingInstance } from '../../instance/access.js';
import { writeReport } from '../../instance/bug-report/write.js';
import { diagnose } from '../../instance/diagnose.js';
import { inspectInstance } from '../../instance/inspect.js';
import { findRoots } from '../../state/roots.js';
import { readRecord } from '../../state/record.js';
import type { CliContext } from '../context.js';
import { printJson, printLines, table } from '../output.js';

/** @throws VsbError E_INSTANCE_UNKNOWN, E_FILE */
export async function makeReport(
  context: CliContext,
  file: string | undefined,
  json: boolean,
): Promise<void> {
  const { signal } = context;
  const { name } = context.global;
  const paths = await existingInstance(name);
  const roots = findRoots();
  // A report is made when things are odd: what cannot be found out is said, and the rest goes on.
  const tried = async <T>(work: Promise<T>): Promise<T | { unknown: string }> =>
    await work.catch((error: unknown) => ({ unknown: messageOf(error) }));
  const record = await tried(readRecord(paths));
  const config =
    record !== undefined && 'config' in record
      ? record.config
      : await loadConfig({ directory: paths.stateDir });
  const willBuild = (): Promise<boolean> => Promise.resolve(false);
  const about = { config, cacheDir: roots.cache, stateDir: paths.stateDir, willBuild };
  const target = resolve(
    file ?? `vsbypass-${name}-${new Date().toISOString().slice(0, 19)}.tar.gz`,
  );
  const entries = await writeReport({
    paths,
    target,
    signal,
    documents: {
      status: await inspectInstance(paths, signal),
      record: record ?? {},
      host: await tried(inspectHost({ ...about, signal })),
      checks: await tried(diagnose({ config, name, roots, signal })),
      versions: { node: process.version, platform: process.platform, arch: process.arch },
    },
  });
  if (json) {
    printJson(context, { schemaVersion: 1, file: target, entries });
    return;
  }
  printLines(context, [
    ...table([
      ['IN IT', 'BYTES', 'LEFT OUT'],
      ...entries.map((one) => [one.file, String(one.bytes), String(one.redacted)]),
    ]),
    '',
    target,
  ]);
}
