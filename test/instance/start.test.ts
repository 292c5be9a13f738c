/** The start of the daemon: what is said of one that does not come up. flock(1) is a stand-in that ends as told. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { startDaemon } from '../../src/instance/start.js';
import { instancePaths } from '../../src/state/paths.js';
import { findRoots } from '../../src/state/roots.js';

let directory: string;
const path = process.env['PATH'];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vsb-start-'));
});
afterEach(async () => {
  process.env['PATH'] = path;
  await rm(directory, { recursive: true, force: true });
});

async function startWith(script: string): Promise<string | undefined> {
  const programs = join(directory, 'bin');
  await mkdir(programs);
  await writeFile(join(programs, 'flock'), `#!/bin/sh\n${script}\n`);
  await chmod(join(programs, 'flock'), 0o755);
  process.env['PATH'] = `${programs}:${path}`;
  const roots = findRoots({ XDG_STATE_HOME: directory, XDG_RUNTIME_DIR: directory });
  return await startDaemon(instancePaths('default', roots), roots, AbortSignal.timeout(10_000));
}

it.each([
  ['kill -KILL $$', 'E_DAEMON', 'the daemon cannot be started: it was killed by SIGKILL'],
  ['exit 3', 'E_DAEMON', 'the daemon cannot be started: it ended with exit code 3'],
  [
    `echo '{"failed":{"code":"E_NO_SPACE","message":"cannot write x"}}'; exit 3`,
    'E_NO_SPACE',
    'cannot write x',
  ],
  ['exit 75', 'E_BUSY', "another command is at work on instance 'default'"],
])('startDaemon says how it ended: %s', async (script, code, message) => {
  await expect(startWith(script)).rejects.toMatchObject({ code, message });
});
