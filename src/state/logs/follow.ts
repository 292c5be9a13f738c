/** Follows a log that another process writes and rotates. */
import { watch, type FSWatcher } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { once } from 'node:events';
import { dirname } from 'node:path';

import { BoundedLines } from '../../base/bounded-lines.js';
import { parseLine, type LogLine } from './files.js';

/** Events of the watcher can be lost (inotify's queue is bounded): the next look is at most this late. */
const safetyIntervalMs = 500;

/**
 * Lines as they are completed, from a position in the present file (bytes) on.
 *
 * @throws the reason of the signal when it aborts
 */
export async function* followLog(
  path: string,
  position: number,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const lines = new BoundedLines();
  const watcher = watch(dirname(path));
  let file: FileHandle | undefined;
  try {
    file = await openIfThere(path);
    const chunk = Buffer.alloc(65_536);
    for (let at = position; ;) {
      const bytesRead =
        file === undefined ? 0 : (await file.read(chunk, 0, chunk.length, at)).bytesRead;
      if (bytesRead > 0) {
        at += bytesRead;
        for (const line of lines.push(chunk.toString('latin1', 0, bytesRead)))
          yield parseLine(line);
        continue;
      }
      signal.throwIfAborted();
      if (await isReplaced(path, file)) {
        await file?.close();
        file = await openIfThere(path);
        at = 0;
        continue;
      }
      await changed(watcher, signal);
    }
  } finally {
    watcher.close();
    await file?.close();
  }
}

async function changed(watcher: FSWatcher, signal: AbortSignal): Promise<void> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(safetyIntervalMs)]);
  await once(watcher, 'change', { signal: soon }).catch(() => undefined);
  signal.throwIfAborted();
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return await open(path, 'r').catch(() => undefined);
}

/** Whether the name stands for another file by now. */
async function isReplaced(path: string, file: FileHandle | undefined): Promise<boolean> {
  const now = await stat(path).catch(() => undefined);
  if (now === undefined) return false;
  return file === undefined || (await file.stat()).ino !== now.ino;
}
