/** How scripts/test counts, by a run in which something of each kind happens. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const fixture = fileURLToPath(new URL('fixture', import.meta.url));

/** Runs the shell functions of scripts/counting.sh, and then its summary. */
async function counted(script: string): Promise<{ lines: string[]; stderr: string; code: number }> {
  const text = `. scripts/lib.sh; . scripts/counting.sh; ${script}\nsum_up`;
  // As from a shell: what the run of this very test has set is not for the one inside.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^VITEST|^NODE_ENV$|^TEST$/.test(name)),
  );
  return await new Promise((resolve) => {
    const child = execFile(
      'bash',
      ['-c', text],
      { cwd: repository, env, timeout: 60_000 },
      (_, stdout, stderr) =>
        resolve({ lines: stdout.trimEnd().split('\n'), stderr, code: child.exitCode ?? -1 }),
    );
  });
}

describe('scripts/test', () => {
  it('counts what did not run after a failed hook as failed, and lists what failed and what was skipped', async () => {
    const { lines, stderr, code } = await counted(
      `vitest_suite fixture 50 --root '${fixture}' before broken`,
    );
    expect(code).toBe(1);
    expect(lines.slice(-12)).toEqual([
      'skipped: broken.fixture.ts > is skipped: no reason is given',
      'skipped: broken.fixture.ts > is skipped while it runs: no such device',
      'skipped: broken.fixture.ts > is to be written: it is to be written',
      'skipped: broken.fixture.ts > whose beforeAll fails > would have been skipped: no reason is given',
      'skipped: broken.fixture.ts > skipped as a whole > does not run: no reason is given',
      'failed: broken.fixture.ts > fails: expected 1 to be 2 // Object.is equality',
      'failed: before.fixture.ts > does not run: did not run: it did not boot',
      'failed: before.fixture.ts > does not run either: did not run: it did not boot',
      'failed: broken.fixture.ts > whose beforeAll fails > does not run: did not run: it did not boot',
      'failed: broken.fixture.ts > whose beforeAll fails > does not run either: did not run: it did not boot',
      'failed: broken.fixture.ts > whose beforeAll fails > inside > does not run, too: did not run: it did not boot',
      '1 passed, 6 failed, 5 skipped',
    ]);
    expect(stderr).toContain(
      'FAILED: before.fixture.ts > does not run: did not run: it did not boot',
    );
  }, 60_000);

  it('fails when a run leaves no count', async () => {
    const { lines, code } = await counted(
      `vitest_suite fixture 50 --root '${fixture}' --no-such-option`,
    );
    expect([...lines.slice(-2), code]).toEqual([
      'failed: fixture: left no count',
      '0 passed, 1 failed',
      1,
    ]);
  }, 60_000);

  it('knows what had failed when a run is ended at its limit', async () => {
    const { lines, code } = await counted(`vitest_suite fixture 8 --root '${fixture}' endless`);
    expect([...lines.slice(-4), code]).toEqual([
      'failed: endless.fixture.ts > fails before: expected 1 to be 2 // Object.is equality',
      'failed: endless.fixture.ts > does not end: did not run: the run ended before',
      'failed: fixture: ended at its limit of 8 s',
      '0 passed, 3 failed',
      1,
    ]);
  }, 60_000);

  it('counts TAP, and keeps the reasons of what was skipped', async () => {
    const tap = String.raw`printf 'ok 1 - a\nok 2 - b # SKIP no compiler\nnot ok 3 - c\n'`;
    const { lines } = await counted(`tap_suite host 10 ${tap}`);
    expect(lines.slice(-3)).toEqual([
      'skipped: host > b: no compiler',
      'failed: host > c',
      '1 passed, 1 failed, 1 skipped',
    ]);
  });
});
