/** Carries `vsbypass stock` out: hashes what runs in L2, compares, prints. */
import { readFile, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { ExitCode, VsbError, messageOf } from '../../base/errors.js';
import { runRemote } from '../../host/ssh.js';
import { compare, type StockReport } from '../../images/stock/compare.js';
import { parseList, parseSums, type ListedFile } from '../../images/stock/list.js';
import { managedInstance } from '../../instance/access.js';
import { bootFiles } from '../../machine/plan.js';
import { accessToL2 } from '../../state/management-targets.js';
import { instancePaths, type InstancePaths } from '../../state/paths.js';
import { readRecord } from '../../state/record.js';
import type { CliContext } from '../context.js';
import { printJson, printLines, table } from '../output.js';

/** A hundred megabytes are read in L2, under emulation. */
const hashLimitMs = 180_000;

/** @throws VsbError E_INSTANCE_NOT_RUNNING, E_L2_OWN, E_FILE, E_SSH; the signal's reason */
export async function showStock(context: CliContext, json: boolean): Promise<void> {
  const { global, signal } = context;
  const { management } = await managedInstance(global.name, signal);
  const paths = instancePaths(global.name);
  if ((await readRecord(paths))?.config.l2.disk !== undefined) {
    throw new VsbError('E_L2_OWN', 'L2 is a system of your own: what it was made of is not known', {
      layer: 'L2',
    });
  }
  const listed = await listOf(paths);
  const packaged = listed.filter((file) => file.package !== undefined).map(({ path }) => path);
  const result = await runRemote(accessToL2(management), 'xargs sha256sum', {
    ...{ signal, stdin: `${packaged.join('\n')}\n`, timeoutMs: hashLimitMs },
  });
  const report = compare(listed, parseSums(result.stdout.toString()));
  if (json) printJson(context, report);
  else printLines(context, describe(report));
  if (report.changed.length > 0) context.exitWith(ExitCode.layer);
}

/** The list beside the image that the instance has booted. */
async function listOf(paths: InstancePaths): Promise<ListedFile[]> {
  try {
    const disk = await realpath(join(paths.bootDir, bootFiles.l2Disk));
    return parseList(await readFile(join(dirname(disk), 'stock'), 'utf8'));
  } catch (error) {
    throw new VsbError('E_FILE', `cannot tell what L2 was made of: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function describe({ packages, changed, others }: StockReport): string[] {
  const rows = packages.map(({ name, version, files }) => [name, version, String(files)]);
  const files = packages.reduce((sum, one) => sum + one.files, 0);
  return [
    ...table([['PACKAGE', 'VERSION', 'FILES'], ...rows]),
    '',
    `${files} files of ${packages.length} Debian packages run in L2 as they were shipped, ${changed.length} do not`,
    ...changed.map((file) => `CHANGED: ${file.path} of ${file.package}`),
    `not from a package: ${others.join(' ')}`,
  ];
}
