/** Makes one archive for a bug report: state, checks, versions and logs of one instance, redacted. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { execa } from 'execa';

import { VsbError } from '../../base/errors.js';
import { readLog, stampLine } from '../../state/logs/files.js';
import type { InstancePaths } from '../../state/paths.js';
import { readPasswords } from '../../state/secrets.js';
import { redact } from './redact.js';

export interface ReportEntry {
  readonly file: string;
  readonly bytes: number;
  /** Places that were left out. */
  readonly redacted: number;
}

export interface ReportRequest {
  readonly paths: InstancePaths;
  /** Path of the archive, which must not exist. */
  readonly target: string;
  /** Documents by name, written as JSON. */
  readonly documents: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

/**
 * What user VMs show is not in it: it is written nowhere. @throws VsbError E_FILE; the signal's reason
 */
export async function writeReport(request: ReportRequest): Promise<ReportEntry[]> {
  const { paths, target, documents, signal } = request;
  const secrets = [...(await readPasswords(paths).catch(() => new Map<string, string>())).values()];
  const work = await mkdtemp(join(tmpdir(), 'vsbypass-report-'));
  const entries: ReportEntry[] = [];
  const add = async (file: string, content: string): Promise<void> => {
    const { text, places } = redact(content, secrets);
    await writeFile(join(work, file), text, { mode: 0o600 });
    entries.push({ file, bytes: Buffer.byteLength(text), redacted: places });
  };
  try {
    for (const [name, document] of Object.entries(documents)) {
      await add(`${name}.json`, `${JSON.stringify(document, undefined, 2)}\n`);
    }
    for (const path of [paths.daemonLog, paths.qemuLog, paths.l1Log, paths.l2Log]) {
      const lines = (await readLog(path)).map(({ time, text }) =>
        time === undefined ? text : stampLine(text, new Date(time)),
      );
      await add(path.slice(paths.logDir.length + 1), lines.map((line) => `${line}\n`).join(''));
    }
    const words = ['--create', '--gzip', '--file', target, '--directory', work, '.'];
    const tar = await execa('tar', words, { reject: false, cancelSignal: signal });
    signal.throwIfAborted();
    if (tar.failed) throw new VsbError('E_FILE', `cannot write ${target}: ${tar.stderr}`);
    return entries;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
